"""A Task of your own model and arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fallline.contracts import Loss, Metric, Model, Split, Splits, Task
from fallline.contracts.rules import GIVES
from fallline.errors import ModelError
from fallline.metrics import find_metric

Arrays = tuple[Any, Any]


def from_arrays(
    name: str,
    *,
    model: Model,
    train: Arrays,
    validation: Arrays | None = None,
    test: Arrays | None = None,
    loss: str | Loss,
    metrics: Sequence[str | Metric] | Mapping[str, Metric | Callable[[Any, Any], Any]] = (),
    prepare: Callable[[Any], Any] | None = None,
    title: str = "",
    gives: str = "logits",
    classes: Sequence[str] = (),
) -> Task:
    """A Task on your own arrays: each split is (inputs [n, ...], targets [n, ...]).

    ``metrics`` are names ("accuracy") and Metrics of your own, or functions ``f(outputs, targets) -> [batch]`` by name.
    Trials are named by the task's name and its arrays, so give a changed model another name. ``gives`` is
    "probabilities" where the model ends in its own softmax or sigmoid, "values" where its outputs are on the scale of
    the targets. ``classes`` name the labels 0, 1, ... in tables and figures.
    """
    if not isinstance(model, Model):
        raise ModelError(
            f"model must be a fallline.Model, got {type(model).__name__}; "
            "make one: fallline.from_functions(init, apply) or fallline.from_equinox(lambda key: Module(key=key))"
        )
    splits = Splits(
        *(
            None if arrays is None else _split(name, which, arrays)
            for which, arrays in (("train", train), ("validation", validation), ("test", test))
        )
    )
    metrics = _metrics(name, metrics)

    def data(size: str, folder: Path | None) -> Splits:
        return splits

    if gives not in GIVES:
        raise ModelError(f'task {name}: gives must be "logits", "probabilities" or "values", got {gives!r}')
    examples = dict.fromkeys(("sample", "full"), len(splits.train.inputs))
    return Task(
        name, model, data, loss, title, dict(metrics), prepare, _fingerprint(splits), examples, gives, tuple(classes)
    )


def _metrics(task: str, written: Any) -> dict[str, Any]:
    """By name; ModelError or UnknownName for what is no metric."""
    if isinstance(written, Mapping):
        return dict(written)
    if isinstance(written, (str, Metric)):
        written = [written]
    where = f"task {task}; your own: metrics={{name: function}}"
    metrics = [find_metric(metric, where) if isinstance(metric, str) else metric for metric in written]
    for metric in metrics:
        if not isinstance(metric, Metric):
            raise ModelError(
                f'task {task}: metrics holds {metric!r:.60}, which has no name; write metrics={{"NAME": '
                'function}, or fallline.Metric("NAME", function, goal="min")'
            )
    return {metric.name: metric for metric in metrics}


def _split(task: str, which: str, arrays: Arrays) -> Split:
    try:
        inputs, targets = (np.asarray(array) for array in arrays)
    except (TypeError, ValueError) as failure:
        raise ModelError(f"task {task}: {which} must be a pair (inputs, targets) of arrays: {failure}") from None
    for role, array in (("inputs", inputs), ("targets", targets)):
        if array.dtype.kind not in "biuf":
            raise ModelError(f"task {task}: {which} {role} must be numbers, got an array of {array.dtype}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
            raise ModelError(
                f"task {task}: {which} {role} hold {array[place]} at index {place}; every value must be finite"
            )
    if inputs.ndim == 0 or targets.ndim == 0 or len(inputs) != len(targets) or len(inputs) == 0:
        raise ModelError(
            f"task {task}: {which} needs as many targets as inputs, at least one; "
            f"got shapes {inputs.shape} and {targets.shape}"
        )
    return Split(_narrow(task, f"{which} inputs", inputs), _narrow(task, f"{which} targets", targets))


def _narrow(task: str, what: str, array: np.ndarray) -> np.ndarray:
    """In the 32-bit types of the compiled program; bytes stay bytes."""
    if array.dtype.itemsize == 1 and array.dtype.kind in "iu":
        return array
    wide = np.dtype({"f": np.float32, "i": np.int32, "u": np.uint32, "b": np.float32}[array.dtype.kind])
    limits = np.finfo(wide) if wide.kind == "f" else np.iinfo(wide)
    if array.size and not limits.min <= array.min() <= array.max() <= limits.max:
        raise ModelError(
            f"task {task}: {what} must fit in {wide}, {limits.min:g} to {limits.max:g}; "
            f"they range from {array.min():g} to {array.max():g}"
        )
    return array.astype(wide)


def _fingerprint(splits: Splits) -> str:
    """The arrays' content as 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for split in (splits.train, splits.validation, splits.test):
        for array in split or ():
            digest.update(f"{array.dtype}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]
