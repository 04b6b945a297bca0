"""A task from an ``.npz`` file with arrays of inputs and targets."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fallline.contracts import Split, Splits, Task
from fallline.errors import DataError
from fallline.metrics.in_units import InUnits
from fallline.models.by_name import default_model, sized_models
from fallline.userdata.arrays_task import task_of_splits, unit_bytes
from fallline.userdata.reading import RawTable, file_digest, find_file
from fallline.userdata.spec import DataSpec
from fallline.userdata.splitting import split_rows
from fallline.userdata.tables import MANY_CLASSES, REGRESSION


def array_task(name: str, spec: DataSpec, folder: Path | None) -> Task:
    """The task of ``spec.npz``: arrays ``inputs`` [n, ...] and ``targets`` [n], whole numbers for classes.

    With ``validation_inputs``, ``test_targets``, ... the split is given. Inputs that are not bytes and
    targets that are numbers are standardised by the training rows, value by value.
    """
    path = find_file(spec.npz, folder, "npz")
    arrays = _read(path)
    splits, how_split = _splits(path, arrays, spec)
    shift = scale = None
    if splits.train.inputs.dtype != np.uint8:
        shift, scale = splits.train.inputs.mean(0), splits.train.inputs.std(0)
        scale = np.where(scale > 0, scale, 1)
    splits = Splits(
        **{
            part: Split(_scaled(split.inputs, shift, scale), split.targets)
            for part, split in vars(splits).items()
            if split is not None
        }
    )
    are_classes = splits.train.targets.dtype.kind in "iu"
    target_shift, target_scale = (), ()
    if not are_classes:
        target_shift, target_scale = _moments(splits.train.targets)
        splits = Splits(
            **{
                part: Split(split.inputs, _standardised(split.targets, target_shift, target_scale))
                for part, split in vars(splits).items()
                if split is not None
            }
        )
    targets = splits.train.targets
    classes = tuple(str(label) for label in range(int(targets.max()) + 1)) if are_classes else ()
    shape = splits.train.inputs.shape[1:]
    kind = "images" if splits.train.inputs.dtype == np.uint8 and len(shape) in (2, 3) else "values"
    models = sized_models(kind, shape, len(classes) or int(np.prod(targets.shape[1:], dtype=int)), spec.model)
    digest = file_digest(path)

    return task_of_splits(
        name,
        splits,
        models,
        "softmax_cross_entropy" if classes else "squared_error",
        MANY_CLASSES if classes else REGRESSION,
        f"{digest}{sorted(spec.identity.items())}",
        {
            "kind": "arrays",
            "file": path.name,
            "sha256": digest,
            "model": default_model(kind, spec.model),
            "split": how_split,
            "rows": {part: len(split.inputs) for part, split in vars(splits).items() if split is not None},
        },
        title=f"{f'{len(classes)} classes' if classes else 'numbers'} of {path.name}, inputs {shape}",
        prepare=unit_bytes if splits.train.inputs.dtype == np.uint8 else None,
        gives="logits" if classes else "values",
        classes=classes,
        in_units=None if classes else partial(InUnits, shift=target_shift, scale=target_scale),
    )


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
    except Exception as failure:
        raise DataError(f"{path} cannot be read as .npz: {str(failure)[:200]}") from None
    for key in ("inputs", "targets"):
        if key not in arrays and f"train_{key}" not in arrays:
            raise DataError(f"{path} has no array {key}; it holds {', '.join(arrays) or 'nothing'}")
    return arrays


def _splits(path: Path, arrays: dict[str, np.ndarray], spec: DataSpec) -> tuple[Splits, str]:
    if "train_inputs" in arrays:
        named = {
            part: Split(*(_typed(path, key, arrays) for key in (f"{part}_inputs", f"{part}_targets")))
            for part in ("train", "validation", "test")
            if f"{part}_inputs" in arrays
        }
        return Splits(**named), "as the arrays are named"
    import polars as pl

    inputs, targets = (_typed(path, key, arrays) for key in ("inputs", "targets"))
    if len(inputs) != len(targets):
        raise DataError(f"{path}: inputs {inputs.shape} and targets {targets.shape} must have as many rows")
    labels = targets if targets.dtype.kind in "iu" else None
    names = tuple(map(str, range(int(targets.max()) + 1))) if labels is not None else ()
    table = RawTable(path, "", pl.DataFrame({"row": np.arange(len(inputs))}), lambda row, name: f"row {row + 1}")
    rows, how_split = split_rows(table, spec, labels, names)
    return Splits(**{part: Split(inputs[places], targets[places]) for part, places in rows.items()}), how_split


def _typed(path: Path, key: str, arrays: dict[str, np.ndarray]) -> np.ndarray:
    if key not in arrays:
        raise DataError(f"{path} has no array {key}; it holds {', '.join(arrays)}")
    array = arrays[key]
    if array.dtype.kind not in "biuf" or array.ndim == 0 or not len(array):
        raise DataError(f"{path}: {key} must be numbers [n, ...], got {array.dtype} {array.shape}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise DataError(f"{path}: {key} holds a value that is not finite")
    if key.endswith("targets"):
        if array.dtype.kind == "f":
            return array.astype(np.float32)
        if array.ndim != 1 or int(array.min()) < 0:
            raise DataError(f"{path}: {key} of whole numbers are labels from 0, [n]; got {array.shape}")
        return array.astype(np.int32)
    return array if array.dtype == np.uint8 else array.astype(np.float32)


def _moments(targets: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each target over the training rows; 1 for a constant one."""
    rows = targets.reshape(len(targets), -1).astype(np.float64)
    scale = rows.std(axis=0)
    return tuple(map(float, rows.mean(axis=0))), tuple(map(float, np.where(scale > 0, scale, 1.0)))


def _standardised(targets: np.ndarray, shift: tuple[float, ...], scale: tuple[float, ...]) -> np.ndarray:
    """Targets as rows, [n, targets]."""
    return ((targets.reshape(len(targets), -1) - shift) / scale).astype(np.float32)


def _scaled(inputs: np.ndarray, shift: Any, scale: Any) -> np.ndarray:
    return inputs if shift is None else ((inputs - shift) / scale).astype(np.float32)
