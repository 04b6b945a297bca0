"""Examples that are planned for and not read: where a task says the shapes of its data, a plan needs no more."""

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
    """A task's examples as shapes: on the devices of a row there are none, and programs are traced from what would be
    there. The splits hold zeros that take no memory.
    """

    def __init__(self, splits: Splits, source: Any):
        super().__init__(splits, source)
        self.splits = splits  # not where a CPU's programs would take them: they take no memory

    def on(self, row: DeviceRow, most: int | None = EVALUATION_BATCH) -> tuple[DeviceData, dict[str, HeldOut]]:
        held = {name: split for name, split in splits_of(self.splits).items() if name != "train"}
        size = batch_size([len(split.inputs) for split in held.values()], row, most)
        return DeviceData(*map(_shape, self.splits.train)), {
            name: _held_out(split, size) for name, split in held.items()
        }

    def check(self, task: Task, cohort: Cohort) -> None:
        """As with examples; rules of the package are left out, which its tests let meet weights of every shape."""
        own = tuple(one for one in cohort.segments if builtin_optimizers().get(one.optimizer.name) is not one.optimizer)
        super().check(task, cohort._replace(segments=own))


class PlanningContext(TrainingContext):
    """What cohorts are made ready with where nothing trains: of a built-in task that says its shapes no file is read,
    so that a plan needs no data set.
    """

    def load(self, task: Task, cut: FoldSplit | None = None) -> Arrays:
        cut = cut or self.trials[0].cut
        if cut is not None or not self._by_shape(task):
            return super().load(task, cut)
        if (task.name, None) not in self._arrays:
            splits = task.shapes(self.study.data)
            check_choice(self.study, self.trials, task, splits)
            self._arrays[task.name, None] = DeclaredArrays(splits, task.data)
        return self._arrays[task.name, None]

    def _by_shape(self, task: Task) -> bool:
        """Whether shapes say all of it: an order that deals out classes needs the labels."""
        return task.shapes is not None and all(trial.recipe.batches.order != "balanced" for trial in self.trials)


def _held_out(split: Split, size: int) -> HeldOut:
    batch = DeviceData(*(jax.ShapeDtypeStruct((size, *array.shape[1:]), array.dtype) for array in split))
    counts = jax.ShapeDtypeStruct((size,), np.float32)
    return HeldOut(len(split.inputs), ((batch, counts),) * -(-len(split.inputs) // size))


def _shape(array: np.ndarray) -> Any:
    return jax.ShapeDtypeStruct(array.shape, array.dtype)
