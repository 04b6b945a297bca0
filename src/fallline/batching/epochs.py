"""Epochs: how each is cut into batches, and which step belongs to which."""

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
"""Of a size that changes: its epochs are walked one by one, some 5 s for so many."""


@dataclass(frozen=True)
class EpochCut:
    """One epoch of batches: ``full`` ones of ``size``, each ``stride`` further on, then one of ``rest`` unless 0."""

    size: int
    stride: int
    full: int
    rest: int

    @property
    def steps(self) -> int:
        return self.full + (self.rest > 0)


def cut(examples: int, size: int, overlap: float, last: str) -> EpochCut:
    """How an epoch of ``examples`` is cut into batches of ``size`` <= examples."""
    stride = max(1, size - round(overlap * size))
    full = (examples - size) // stride + 1
    covered = (full - 1) * stride + size
    return EpochCut(size, stride, full, examples - full * stride if last == "kept" and covered < examples else 0)


@dataclass(frozen=True)
class SameEpochs:
    """Epochs that are all cut alike: everything is a division."""

    one: EpochCut

    def cut(self, epoch: int) -> EpochCut:
        return self.one

    def first(self, epoch: int) -> int:
        """The first step of ``epoch``."""
        return epoch * self.one.steps

    def epoch(self, step: int) -> int:
        """The epoch that ``step`` belongs to."""
        return step // self.one.steps

    def position(self, steps: Any) -> np.ndarray:
        """Epochs taken before each step, float64."""
        return np.asarray(steps, np.float64) / self.one.steps

    def steps_in(self, epochs: Fraction) -> Fraction:
        """Steps that make so many epochs, not rounded."""
        return epochs * self.one.steps

    def sizes(self, start: int, stop: int) -> np.ndarray:
        """Examples in each batch, int32 [stop - start]."""
        within = np.arange(start, stop) % self.one.steps
        return np.where(within < self.one.full, self.one.size, self.one.rest).astype(np.int32)

    def counts(self, steps: int) -> dict[int, int]:
        """How many of the first ``steps`` have each size."""
        whole, more = divmod(steps, self.one.steps)
        return _counted({self.one.size: whole * self.one.full + more, self.one.rest: whole})


class ChangingEpochs:
    """Epochs whose batches follow a formula: walked as far as was asked, and remembered.

    Asking raises StudyError where the formula gives no size at an epoch that is needed.
    """

    def __init__(self, formula: Formula, examples: int, overlap: float, last: str, most: str):
        self._formula, self._examples, self._overlap, self._last = formula, examples, overlap, last
        self._most = most
        # One value, replaced whole: two threads that walk at once find the same and neither sees half of it.
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
        """Epochs taken before each step, float64."""
        steps = np.asarray(steps, np.float64)
        bounds = self._until(steps=math.ceil(steps.max(initial=0)))[1]
        return np.interp(steps, bounds, np.arange(len(bounds)))

    def steps_in(self, epochs: Fraction) -> Fraction:
        """Steps that make so many epochs, not rounded; a part of an epoch has that part of its steps."""
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
        """How many of the first ``steps`` have each size."""
        cuts, bounds = self._until(steps=steps)
        found: dict[int, int] = {}
        for one, first in zip(cuts, bounds, strict=False):
            taken = min(one.steps, steps - int(first))
            if taken <= 0:
                break
            found[one.size] = found.get(one.size, 0) + min(taken, one.full)
            found[one.rest] = found.get(one.rest, 0) + max(0, taken - one.full)
        return _counted(found)

    def _until(self, epochs: int = 0, steps: int = 0) -> tuple[tuple[EpochCut, ...], np.ndarray]:
        """The cuts of the epochs known, and the first step of each and of the next one: at least so many of both."""
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
    """The epochs of a policy over ``examples``, which an error calls ``most``; they are the same for all seeds."""
    if isinstance(size, str):
        changing = ChangingEpochs(parse(size), examples, overlap, last, most)
        changing.cut(0)
        return changing
    if size is not None and size > examples:
        raise StudyError(f"batch_size must be at most {most}, {examples:,}; got {shown(size)}")
    return SameEpochs(cut(examples, examples if size is None else size, overlap, last))


def _counted(found: dict[int, int]) -> dict[int, int]:
    return {size: found[size] for size in sorted(found) if size > 0 and found[size] > 0}
