"""A task from a folder of images with one folder per class: resized to one size, kept as bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from fallline.contracts import Split, Splits, Task
from fallline.errors import DataError
from fallline.models.by_name import default_model, sized_models
from fallline.userdata.arrays_task import task_of_splits, unit_bytes
from fallline.userdata.needed import needed
from fallline.userdata.reading import RawTable, find_file
from fallline.userdata.spec import DataSpec
from fallline.userdata.splitting import split_rows

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
MOST_BYTES = 4 * 1024**3


def image_task(name: str, spec: DataSpec, folder: Path | None) -> Task:
    """The task of classifying the images in ``spec.images``; a sub-folder per class, whose name is the class.

    Where the sub-folders are called train and test (and validation), each holds the folders of the classes and the
    split is given. Images become uint8 [n, size, size(, 3)].
    """
    home = find_file(spec.images, folder, "images")
    if not home.is_dir():
        raise DataError(f"{home} is a file; [data] images names a folder with one folder per class")
    files = _files(home)
    classes = tuple(sorted({label for _, label, _ in files}))
    if len(classes) < 2:
        raise DataError(
            f"{home} holds images of {len(classes)} class{'es' * (not classes)}; it needs a folder with images "
            f"({', '.join(ENDINGS)}) for each of two classes or more"
        )
    labels = np.array([classes.index(label) for _, label, _ in files], np.int32)
    images, digest = _images([path for path, _, _ in files], spec)
    table = _split_table(home, [part for _, _, part in files], digest)
    given = any(part for _, _, part in files)
    chosen = DataSpec(**{**vars(spec), "split": "given", "by": "split"}) if given else spec
    rows, how_split = split_rows(table, chosen, labels, classes)
    splits = Splits(**{part: Split(images[places], labels[places]) for part, places in rows.items()})
    models = sized_models("images", images.shape[1:], len(classes), spec.model)

    return task_of_splits(
        name,
        splits,
        models,
        "softmax_cross_entropy",
        ("accuracy", "balanced_accuracy", "macro_f1", "log_loss"),
        f"{digest}{sorted(spec.identity.items())}",
        {
            "kind": "images",
            "file": home.name,
            "sha256": digest,
            "model": default_model("images", spec.model),
            "classes": list(classes),
            "size": spec.size,
            "grey": spec.grey,
            "split": how_split,
            "rows": {part: len(places) for part, places in rows.items()},
            "class_counts": {label: int((labels[rows["train"]] == index).sum()) for index, label in enumerate(classes)},
        },
        title=f"{len(classes)} classes of images in {home.name}, {spec.size} x {spec.size} pixels",
        prepare=unit_bytes,
        classes=classes,
    )


def read_image(path: Path, size: int, grey: bool) -> np.ndarray:
    """An image as uint8 [size, size] or [size, size, 3], resized whatever its shape; DataError where it is none."""
    pillow = needed("PIL.Image", "pillow", "a folder of images")
    try:
        with pillow.open(path) as image:
            return np.asarray(image.convert("L" if grey else "RGB").resize((size, size)), np.uint8)
    except Exception as failure:
        raise DataError(f"{path} cannot be read as an image: {str(failure)[:200]}; remove it") from None


def _files(home: Path) -> list[tuple[Path, str, str]]:
    """(path, class, split or "") of every image."""
    parts = {"train": "train", "validation": "validation", "val": "validation", "test": "test"}
    inside = [path for path in sorted(home.iterdir()) if path.is_dir()]
    if inside and all(path.name in parts for path in inside) and any(path.name == "train" for path in inside):
        return [
            (path, label.name, parts[part.name])
            for part in inside
            for label in sorted(part.iterdir())
            if label.is_dir()
            for path in _pictures(label)
        ]
    return [(path, label.name, "") for label in inside for path in _pictures(label)]


def _pictures(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.suffix.lower() in ENDINGS]


def _images(paths: list[Path], spec: DataSpec) -> tuple[np.ndarray, str]:
    """The images [n, size, size(, 3)] and the SHA-256 of their pixels."""
    channels = 1 if spec.grey else 3
    if len(paths) * spec.size**2 * channels > MOST_BYTES:
        raise DataError(
            f"{len(paths):,} images of {spec.size} x {spec.size} pixels need over 4 GiB; take a smaller size"
        )
    images = np.stack([read_image(path, spec.size, spec.grey) for path in paths])
    return images, hashlib.sha256(images.data).hexdigest()


def _split_table(home: Path, parts: list[str], digest: str) -> RawTable:
    """The splits of the files as a table of one column, for ``split_rows``."""
    import polars as pl

    return RawTable(home, digest, pl.DataFrame({"split": parts}), lambda row, name: f"image {row + 1}")
