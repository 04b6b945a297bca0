"""Arrays from a data set of PyTorch: (input, target) pairs, read once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import psutil

from fallline.errors import DataError

SHARE = 0.5
"""The most that the arrays may take of the memory that is free."""


def arrays(dataset: Any) -> tuple[np.ndarray, np.ndarray]:
    """The inputs [n, ...] and targets [n, ...] of a ``Dataset`` of (input, target) pairs, for ``fallline.from_arrays``.

    A ``TensorDataset``, a ``Dataset`` with ``__len__`` and ``__getitem__`` (images of Pillow are read as arrays), or a
    ``DataLoader``, whose batches are joined: leave shuffling and random transforms out, since every example is read
    once. float64 becomes float32. DataError where the pairs differ in shape, or do not fit in memory.
    """
    tensors = getattr(dataset, "tensors", None)
    if tensors is not None:
        columns = [_array(tensor) for tensor in tensors]
    else:
        batched = hasattr(dataset, "batch_sampler") or hasattr(dataset, "batch_size")
        columns = _read(dataset if batched else _examples(dataset), batched)
    if len(columns) != 2:
        raise DataError(f"the data set gives {len(columns)} values for each example; it must give (input, target)")
    inputs, targets = columns
    if len(inputs) != len(targets) or not len(inputs):
        raise DataError(f"the data set has {len(inputs)} inputs and {len(targets)} targets")
    return inputs, targets[:, 0] if targets.ndim == 2 and targets.shape[1] == 1 else targets


def _examples(dataset: Any) -> Iterable[Any]:
    if not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__"):
        raise DataError(
            f"arrays takes a Dataset with __len__ and __getitem__, a TensorDataset or a DataLoader, got "
            f"{type(dataset).__name__}; collect the examples of a stream in arrays of your own"
        )
    return (dataset[place] for place in range(len(dataset)))


def _read(examples: Iterable[Any], batched: bool) -> list[np.ndarray]:
    rows: list[list[np.ndarray]] = []
    size, free = 0, SHARE * psutil.virtual_memory().available
    for number, example in enumerate(examples):
        if not isinstance(example, (tuple, list)):
            raise DataError(
                f"{'batch' if batched else 'example'} {number} of the data set is of type {type(example).__name__}; it "
                "must be a pair (input, target)"
            )
        row = [_array(value) for value in example]
        if rows and [value.shape[batched:] for value in row] != [value.shape[batched:] for value in rows[0]]:
            raise DataError(
                f"{'batch' if batched else 'example'} {number} of the data set has shapes "
                f"{[value.shape for value in row]}, the first {[value.shape for value in rows[0]]}; arrays need equal "
                "shapes: resize or pad in the Dataset's transform"
            )
        rows.append(row)
        size += sum(value.nbytes for value in row)
        if size > free:
            raise DataError(
                f"the data set does not fit in memory: {number + 1:,} examples take {size / 1e9:.1f} GB, and "
                f"{free / SHARE / 1e9:.1f} GB are free; use fewer or smaller examples (torch.utils.data.Subset)"
            )
    join = np.concatenate if batched else np.stack
    return [join(column) for column in zip(*rows, strict=True)]


def _array(value: Any) -> np.ndarray:
    """A tensor, an image or a number as an array; float64, which is a number's default, as float32."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    array = np.asarray(value)
    if array.dtype == object:
        raise DataError(f"the data set holds {type(value).__name__}, which is no array; transform it to a tensor")
    return array.astype(np.float32) if array.dtype == np.float64 else array
