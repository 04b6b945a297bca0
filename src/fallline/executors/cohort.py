"""A planned cohort made ready for the engine: its arrays, its program, its layout, its blocks."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from fallline.batching import BatchStream
from fallline.contracts import Splits, Task
from fallline.engine.devices import prepare_jax
from fallline.engine.lanes import Cohort, Data, Segment
from fallline.engine.layouts import choose, guess
from fallline.engine.program import Layout, Program
from fallline.engine.side_by_side import run_side_by_side
from fallline.engine.training import HeldOut, Work, chunks, hold_out, stack_batches, train
from fallline.errors import StudyError
from fallline.executors.check import check_splits, check_task, splits_of, weight_shapes
from fallline.plan import PlannedCohort

MEMORY_A_COHORT = 256_000_000
"""Bytes that the weights of a seed's lanes may take; rules keep up to three more copies of them."""

OPERATIONS_A_WEIGHT = 6
"""A weight's multiplications and additions an example: two forward, four backward."""


@dataclass(frozen=True)
class Arrays:
    """A task's examples on the device, once for all cohorts."""

    splits: Splits
    train: Data
    held_out: dict[str, HeldOut]


def load_arrays(task: Task, size: str, folder: Any) -> Arrays:
    """The examples of ``task``: train whole, validation and test in evaluation batches."""
    jax = prepare_jax()
    splits = task.data(size, folder)
    check_splits(task.name, splits)
    held = {name: (split.inputs, split.targets) for name, split in splits_of(splits).items() if name != "train"}
    return Arrays(splits, Data(*(jax.device_put(array) for array in splits.train)), hold_out(held))


def weights_of(task: Task) -> int:
    """How many numbers the task's model has to learn."""
    leaves = prepare_jax().tree.leaves(weight_shapes(task.name, task.model))
    return sum(int(np.prod(leaf.shape)) for leaf in leaves)


def most_lanes(task: Task) -> int:
    """How many lanes a seed may have in one program, by the memory their weights take."""
    return max(1, MEMORY_A_COHORT // (4 * weights_of(task)))


class ReadyCohort:
    """What is needed to train any block of one planned cohort. A block is the seeds that share a program's run."""

    def __init__(self, planned: PlannedCohort, arrays: Arrays, layout: Layout | None = None):
        self.planned, self.arrays = planned, arrays
        task = planned.task
        segments = tuple(Segment(segment.optimizer, len(segment.recipes)) for segment in planned.segments)
        self.cohort = Cohort(task.model, planned.recipe.loss, tuple(task.metrics.items()), task.prepare, segments)
        self.weights = weights_of(task)
        self.watched = ("validation",) if "validation" in arrays.held_out else ()
        check_task(task, self.cohort, arrays.splits)
        try:
            self.stream(0)  # a batch larger than the data is an error now, not in the middle of the run
        except StudyError as failure:
            raise StudyError(f"task {task.name}, data {planned.data}: {failure}") from None
        self.program = Program(self.cohort, layout or self._layout())

    @property
    def layout(self) -> Layout:
        return self.program.layout

    def blocks(self) -> list[tuple[int, ...]]:
        """The seeds of each block."""
        return self._blocks(self.layout)

    def _blocks(self, layout: Layout) -> list[tuple[int, ...]]:
        seeds, size = self.planned.seeds, layout.seeds
        return [seeds[first:first + size] for first in range(0, len(seeds), size)]

    def stream(self, seed: int) -> BatchStream:
        recipe = self.planned.recipe
        return BatchStream(len(self.arrays.splits.train.inputs), recipe.batch_size, recipe.order, seed)

    def work(self, seeds: tuple[int, ...]) -> Work:
        """What the engine is to do for these seeds."""
        jax = prepare_jax()
        streams = [self.stream(seed) for seed in seeds]
        numbers = tuple(self._numbers(segment) for segment in self.planned.segments)
        keys = jax.numpy.stack([jax.random.fold_in(jax.random.key(seed), WEIGHTS) for seed in seeds])
        return Work(numbers, keys, lambda start, stop: stack_batches(streams, start, stop), self.arrays.train,
                    self.arrays.held_out, self.watched, self.planned.recipe.steps,
                    self.planned.evaluate_every, self.planned.record_every)

    def _numbers(self, segment: Any) -> dict[str, np.ndarray]:
        columns = [dict(recipe.numbers) for recipe in segment.recipes]
        return {name: np.array([column[name] for column in columns], np.float32) for name in columns[0]}

    def _layout(self) -> Layout:
        """Guessed, or measured where the run is long enough to repay it."""
        planned, seeds = self.planned, len(self.planned.seeds)
        longest = min(planned.evaluate_every if self.watched else planned.recipe.steps, planned.recipe.steps)
        first = guess(self.weights, planned.lanes, seeds, longest)
        operations = (OPERATIONS_A_WEIGHT * self.weights * planned.lanes * seeds * self.stream(0).size
                      * planned.recipe.steps)
        shape = (self.weights, self.stream(0).size)
        return choose(self.cohort, shape, first, seeds, operations, self._seconds_a_step)

    def _seconds_a_step(self, layout: Layout) -> float:
        """Seconds a step of all seeds under ``layout``: a few chunks of a group of blocks, compiled before."""
        program, blocks, steps = Program(self.cohort, layout), self._blocks(layout), 3 * layout.chunk
        timed = blocks[:layout.workers + len(blocks) % layout.workers]
        works = [replace(self.work(block), steps=steps, watched=(), held_out={}) for block in timed]
        train(program, replace(works[0], steps=1))
        begun = time.perf_counter()
        run_side_by_side([partial(chunks, program, work) for work in works], layout.workers, lambda: None)
        return (time.perf_counter() - begun) * len(blocks) / len(timed) / steps


WEIGHTS = 0x77676874
"""Keeps the draws for weights apart from any other use of the same seed ("wght" in ASCII)."""
