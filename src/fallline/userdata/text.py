"""A task from a text: predict the next character from the ones before it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from fallline.contracts import Split, Splits, Task
from fallline.errors import DataError
from fallline.models.by_name import default_model, sized_models
from fallline.userdata.arrays_task import task_of_splits
from fallline.userdata.reading import find_file
from fallline.userdata.spec import DataSpec

MOST_CHARACTERS = 20_000_000
MOST_DIFFERENT = 1_000


def text_task(name: str, spec: DataSpec, folder: Path | None) -> Task:
    """The task of predicting each character of ``spec.text`` from the ``spec.context`` before it.

    The last part of the text is the test set and the part before it validation; no example spans two parts. Inputs are
    indices of characters, uint8 or uint16 [n, context], targets int32 [n].
    """
    path = find_file(spec.text, folder, "text")
    content = path.read_bytes() if path.is_file() else b""
    if not content.strip():
        raise DataError(f"{path} is empty, or a folder; [data] text names a file of text in UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as failure:
        raise DataError(f"{path} is not UTF-8 text: {failure.reason} at byte {failure.start:,}") from None
    characters = sorted(set(text))
    if len(text) > MOST_CHARACTERS or len(characters) > MOST_DIFFERENT:
        raise DataError(
            f"{path} has {len(text):,} characters, {len(characters):,} different ones; the limits are "
            f"{MOST_CHARACTERS:,} and {MOST_DIFFERENT:,}"
        )
    place = {character: index for index, character in enumerate(characters)}
    codes = np.array([place[character] for character in text], np.uint8 if len(place) < 256 else np.uint16)
    splits = _cut(path, codes, spec)
    models = sized_models("text", (spec.context,), len(characters), spec.model, vocabulary=len(characters))
    digest = hashlib.sha256(content).hexdigest()

    return task_of_splits(
        name,
        splits,
        models,
        "softmax_cross_entropy",
        ("accuracy", "perplexity"),
        f"{digest}{sorted(spec.identity.items())}",
        {
            "kind": "text",
            "file": path.name,
            "sha256": digest,
            "model": default_model("text", spec.model),
            "characters": "".join(characters),
            "context": spec.context,
            "split": "by position: the last part of the text is the test set",
            "rows": {
                part: len(split.inputs)
                for part, split in (("train", splits.train), ("validation", splits.validation), ("test", splits.test))
                if split is not None
            },
        },
        title=f"the next character of {path.name} from {spec.context} before it, {len(characters)} different ones",
        classes=tuple(map(repr, characters)),
    )


def _cut(path: Path, codes: np.ndarray, spec: DataSpec) -> Splits:
    first_test = len(codes) - round(spec.test * len(codes))
    first_validation = first_test - round(spec.validation * len(codes))
    bounds = {"train": (0, first_validation), "validation": (first_validation, first_test), "test": (first_test, None)}
    parts = {}
    for part, (first, last) in bounds.items():
        piece = codes[first:last]
        if len(piece) > spec.context:
            windows = np.lib.stride_tricks.sliding_window_view(piece, spec.context + 1)
            parts[part] = Split(np.ascontiguousarray(windows[:, :-1]), windows[:, -1].astype(np.int32))
        elif len(piece):
            raise DataError(
                f"{path}: its {part} part has {len(piece):,} characters, and each example needs {spec.context + 1}; "
                "take a longer text or a shorter context"
            )
    return Splits(**parts)
