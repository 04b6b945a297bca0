"""The examples of a task: read once, and placed once on the devices of each row for all cohorts."""

from __future__ import annotations

from threading import Lock
from typing import Any

import numpy as np

from fallline.contracts import Loss, Split, Splits, Task
from fallline.engine.devices import prepare_jax
from fallline.engine.evaluation import EVALUATION_BATCH, HeldOut, hold_out
from fallline.engine.lanes import Cohort, DeviceData
from fallline.engine.mesh import DeviceRow
from fallline.tasks.folds import FoldSplit, cut_splits
from fallline.training.validation import check_splits, check_task, classes_of, splits_of

ALIGNMENT = 64
"""Bytes: CPU programs use arrays with this alignment in place; JAX copies others."""


class Arrays:
    """The examples of a task, placed once on the devices of each row for all cohorts. ``source`` is the task's ``data``
    function.
    """

    def __init__(self, splits: Splits, source: Any):
        self.splits, self.source = _in_place(splits), source
        self._train: dict[DeviceRow, DeviceData] = {}
        self._held: dict[tuple[DeviceRow, int | None], dict[str, HeldOut]] = {}
        self._classes: dict[tuple[str, str], int | None] = {}
        self._checked: set[tuple[str, Cohort]] = set()
        self._lock = Lock()

    def on(self, row: DeviceRow, most: int | None = EVALUATION_BATCH) -> tuple[DeviceData, dict[str, HeldOut]]:
        """The training examples, and the held-out splits in batches of at most ``most``, on the devices of a row."""
        with self._lock:
            if row not in self._train:
                self._train[row] = row.put(DeviceData(*self.splits.train))
            if (row, most) not in self._held:
                held = {name: tuple(split) for name, split in splits_of(self.splits).items() if name != "train"}
                self._held[row, most] = hold_out(held, row, most)
            return self._train[row], self._held[row, most]

    def classes(self, task: Task, loss: Loss) -> int | None:
        """The number of classes that the task's model predicts; None where it is no classification."""
        key = (task.name, loss.name)
        if key not in self._classes:
            self._classes[key] = classes_of(task, self.splits, loss)
        return self._classes[key]

    def check(self, task: Task, cohort: Cohort) -> None:
        """Check the components of the cohort on the examples (``check_task``), once for cohorts that are equal."""
        if (task.name, cohort) not in self._checked:
            check_task(task, cohort, self.splits)
            self._checked.add((task.name, cohort))

    @property
    def shapes(self) -> tuple[Any, ...]:
        """The shapes that programs depend on: folds with the same shapes share programs."""
        parts = splits_of(self.splits).items()
        return tuple(
            (name, *(array.shape for array in split), *(str(array.dtype) for array in split)) for name, split in parts
        )


def load_arrays(task: Task, size: str, folder: Any, cut: FoldSplit | None = None) -> Arrays:
    """The examples of ``task``; where the study asks for it, validation is ``cut`` from train."""
    splits = task.data(size, folder)
    check_splits(task.name, splits)
    return Arrays(splits if cut is None else cut_splits(task.name, splits, cut), task.data)


def _in_place(splits: Splits) -> Splits:
    """On a CPU the splits with aligned arrays, which programs use without a copy; else the splits unchanged."""
    if prepare_jax().default_backend() != "cpu":
        return splits
    return Splits(**{name: Split(*map(_aligned, split)) for name, split in splits_of(splits).items()})


def _aligned(array: Any) -> Any:
    if not isinstance(array, np.ndarray):
        return array
    if array.ctypes.data % ALIGNMENT == 0 and array.flags.c_contiguous:
        return array
    room = np.empty(array.nbytes + ALIGNMENT, np.uint8)
    first = -room.ctypes.data % ALIGNMENT
    placed = room[first : first + array.nbytes].view(array.dtype).reshape(array.shape)
    placed[...] = array
    return placed
