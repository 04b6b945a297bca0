"""Planning without reading data: where a task declares the shapes of its data, a plan needs no more."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from fallline.contracts import Split, Splits, Task
from fallline.engine.evaluation import EVALUATION_BATCH, HeldOut, batch_size
from fallline.engine.lanes import Cohort, DeviceData
from fallline.engine.mesh import DeviceRow
from fallline.optimizers import builtin_optimizers
from fallline.tasks.folds import FoldSplit
from fallline.training.arrays import Arrays
from fallline.training.context import TrainingContext
from fallline.training.validation import check_choice, splits_of


class DeclaredArrays(Arrays):
    """The examples of a task as shapes: nothing is on a device, and programs are traced from the shapes. The splits
    hold zeros that take no memory.
    """

    def __init__(self, splits: Splits, source: Any):
        super().__init__(splits, source)
        self.splits = splits  # not aligned copies: these take no memory

    def on(self, row: DeviceRow, most: int | None = EVALUATION_BATCH) -> tuple[DeviceData, dict[str, HeldOut]]:
        held = {name: split for name, split in splits_of(self.splits).items() if name != "train"}
        size = batch_size([len(split.inputs) for split in held.values()], row, most)
        return DeviceData(*map(_shape, self.splits.train)), {
            name: _held_out(split, size) for name, split in held.items()
        }

    def check(self, task: Task, cohort: Cohort) -> None:
        """As with examples, but built-in optimizers are not checked: the package's tests have checked them."""
        users = tuple(
            segment
            for segment in cohort.segments
            if builtin_optimizers().get(segment.optimizer.name) is not segment.optimizer
        )
        super().check(task, cohort._replace(segments=users))


class PlanningContext(TrainingContext):
    """The context of a plan that does not train: for a built-in task that declares its shapes no file is read, so that
    a plan needs no data set.
    """

    def load(self, task: Task, cut: FoldSplit | None = None) -> Arrays:
        cut = cut or self.trials[0].cut
        if cut is not None or not self._by_shape(task):
            return super().load(task, cut)
        if (task.name, None) not in self._arrays:
            splits = task.shapes(self.study.data_size)
            check_choice(self.study, self.trials, task, splits)
            self._arrays[task.name, None] = DeclaredArrays(splits, task.data)
        return self._arrays[task.name, None]

    def _by_shape(self, task: Task) -> bool:
        """Whether shapes are enough: the "balanced" order needs the labels."""
        return task.shapes is not None and all(trial.recipe.batches.order != "balanced" for trial in self.trials)


def _held_out(split: Split, size: int) -> HeldOut:
    batch = DeviceData(*(jax.ShapeDtypeStruct((size, *array.shape[1:]), array.dtype) for array in split))
    counts = jax.ShapeDtypeStruct((size,), np.float32)
    return HeldOut(len(split.inputs), ((batch, counts),) * -(-len(split.inputs) // size))


def _shape(array: np.ndarray) -> Any:
    return jax.ShapeDtypeStruct(array.shape, array.dtype)
