"""Epochs: how each is divided into batches, and which step belongs to which epoch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from fallline.batching.formula import Formula, parse, shown
from fallline.errors import StudyError

MAX_EPOCHS = 1_000_000
"""For a batch size that changes: its epochs are computed one by one, about 5 s for this many."""


@dataclass(frozen=True)
class EpochCut:
    """One epoch: ``full`` batches of ``size``, each ``stride`` further, then one of ``rest`` unless 0."""

    size: int
    stride: int
    full: int
    rest: int

    @property
    def steps(self) -> int:
        return self.full + (self.rest > 0)


def cut(examples: int, size: int, overlap: float, last: str) -> EpochCut:
    """How an epoch of ``examples`` is divided into batches of ``size`` <= examples."""
    stride = max(1, size - round(overlap * size))
    full = (examples - size) // stride + 1
    covered = (full - 1) * stride + size
    return EpochCut(size, stride, full, examples - full * stride if last == "kept" and covered < examples else 0)


@dataclass(frozen=True)
class SameEpochs:
    """Epochs that are all divided alike, so that every question is a division."""

    each: EpochCut

    def cut(self, epoch: int) -> EpochCut:
        return self.each

    def first(self, epoch: int) -> int:
        """The first step of ``epoch``."""
        return epoch * self.each.steps

    def epoch(self, step: int) -> int:
        """The epoch that ``step`` belongs to."""
        return step // self.each.steps

    def position(self, steps: Any) -> np.ndarray:
        """Epochs before each step, float64."""
        return np.asarray(steps, np.float64) / self.each.steps

    def steps_in(self, epochs: Fraction) -> Fraction:
        """Steps of ``epochs`` epochs, not rounded."""
        return epochs * self.each.steps

    def sizes(self, start: int, stop: int) -> np.ndarray:
        """Examples in each batch, int32 [stop - start]."""
        within = np.arange(start, stop) % self.each.steps
        return np.where(within < self.each.full, self.each.size, self.each.rest).astype(np.int32)

    def counts(self, steps: int) -> dict[int, int]:
        """How many of the first ``steps`` batches have each size."""
        whole, more = divmod(steps, self.each.steps)
        return _counted({self.each.size: whole * self.each.full + more, self.each.rest: whole})


class ChangingEpochs:
    """Epochs whose batch size follows a formula: computed as far as needed, and remembered.

    StudyError where the formula gives no size at an epoch that is needed.
    """

    def __init__(self, formula: Formula, examples: int, overlap: float, last: str, most: str):
        self._formula, self._examples, self._overlap, self._last = formula, examples, overlap, last
        self._most = most
        # One value, replaced as a whole: two threads that compute it find the same, and neither reads half of it.
        self._walked: tuple[tuple[EpochCut, ...], np.ndarray] = ((), np.zeros(1, np.int64))

    def cut(self, epoch: int) -> EpochCut:
        return self._until(epochs=epoch + 1)[0][epoch]

    def first(self, epoch: int) -> int:
        """The first step of ``epoch``."""
        return int(self._until(epochs=epoch)[1][epoch])

    def epoch(self, step: int) -> int:
        """The epoch that ``step`` belongs to."""
        return int(np.searchsorted(self._until(steps=step + 1)[1], step, side="right")) - 1

    def position(self, steps: Any) -> np.ndarray:
        """Epochs before each step, float64."""
        steps = np.asarray(steps, np.float64)
        bounds = self._until(steps=math.ceil(steps.max(initial=0)))[1]
        return np.interp(steps, bounds, np.arange(len(bounds)))

    def steps_in(self, epochs: Fraction) -> Fraction:
        """Steps of ``epochs`` epochs, not rounded; part of an epoch has that part of its steps."""
        whole = math.floor(epochs)
        cuts, bounds = self._until(epochs=math.ceil(epochs))
        part = (epochs - whole) * cuts[whole].steps if epochs > whole else 0
        return Fraction(int(bounds[whole])) + part

    def sizes(self, start: int, stop: int) -> np.ndarray:
        """Examples in each batch, int32 [stop - start]."""
        cuts, bounds = self._until(steps=stop)
        sizes, position = np.empty(stop - start, np.int32), start
        epoch = int(np.searchsorted(bounds, start, side="right")) - 1
        while position < stop:
            until = min(stop, int(bounds[epoch + 1]))
            sizes[position - start : until - start] = cuts[epoch].size
            if cuts[epoch].rest and until == bounds[epoch + 1]:
                sizes[until - start - 1] = cuts[epoch].rest
            position, epoch = until, epoch + 1
        return sizes

    def counts(self, steps: int) -> dict[int, int]:
        """How many of the first ``steps`` batches have each size."""
        cuts, bounds = self._until(steps=steps)
        counts: dict[int, int] = {}
        for epoch, first in zip(cuts, bounds, strict=False):
            taken = min(epoch.steps, steps - int(first))
            if taken <= 0:
                break
            counts[epoch.size] = counts.get(epoch.size, 0) + min(taken, epoch.full)
            counts[epoch.rest] = counts.get(epoch.rest, 0) + max(0, taken - epoch.full)
        return _counted(counts)

    def _until(self, epochs: int = 0, steps: int = 0) -> tuple[tuple[EpochCut, ...], np.ndarray]:
        """The known epochs, at least as many as needed, and the first step of each and of the next one."""
        cuts, bounds = self._walked
        if len(cuts) >= epochs and bounds[-1] >= steps:
            return cuts, bounds
        more, ends = list(cuts), [int(bounds[-1])]
        while len(more) < epochs or ends[-1] < steps:
            if len(more) >= MAX_EPOCHS:
                raise StudyError(
                    f"a batch_size that changes with the epoch is for at most {MAX_EPOCHS:,} epochs; "
                    "give fewer steps, or a batch_size that is a number"
                )
            size = self._size(len(more))
            if not more or more[-1].size != size:
                more.append(cut(self._examples, size, self._overlap, self._last))
            else:
                more.append(more[-1])
            ends.append(ends[-1] + more[-1].steps)
        self._walked = tuple(more), np.concatenate([bounds, np.array(ends[1:], np.int64)])
        return self._walked

    def _size(self, epoch: int) -> int:
        size = self._formula.size(epoch)
        if size > self._examples:
            raise StudyError(
                f"batch_size must be at most {self._most}, {self._examples:,}; "
                f'"{self._formula.text}" is {shown(size)} at epoch {epoch:,}'
            )
        return size


@lru_cache(maxsize=64)
def epochs_for(
    size: int | str | None, examples: int, overlap: float, last: str, most: str = "the number of training examples"
) -> SameEpochs | ChangingEpochs:
    """The epochs of a policy over ``examples``, which errors call ``most``; they are the same for all seeds."""
    if isinstance(size, str):
        changing = ChangingEpochs(parse(size), examples, overlap, last, most)
        changing.cut(0)
        return changing
    if size is not None and size > examples:
        raise StudyError(f"batch_size must be at most {most}, {examples:,}; got {shown(size)}")
    return SameEpochs(cut(examples, examples if size is None else size, overlap, last))


def _counted(counts: dict[int, int]) -> dict[int, int]:
    return {size: counts[size] for size in sorted(counts) if size > 0 and counts[size] > 0}
