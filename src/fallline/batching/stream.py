"""The stream of batches of one seed: any range of steps can be requested, in any order, and is always the same."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from fallline.batching.draws import Draw, Labels, walk
from fallline.batching.epochs import ChangingEpochs, EpochCut, SameEpochs, epochs_for
from fallline.batching.policy import BatchPolicy
from fallline.batching.rounding import as_decimal, whole_steps
from fallline.contracts import Clock
from fallline.errors import StudyError


@dataclass(frozen=True, eq=False)
class BatchStream:
    """The batches that ``policy`` makes of ``examples`` training examples with ``seed``.

    ``labels`` are whole numbers [examples], or None; only the order "balanced" needs them, and only to give indices.
    Steps and epochs count from 0. The sizes of batches do not depend on the seed. StudyError where the subset or a
    batch is larger than the data, or a formula gives no size.
    """

    policy: BatchPolicy
    examples: int
    seed: int
    labels: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        subset = self.policy.subset
        if subset is not None and subset > self.examples:
            raise StudyError(
                f"subset must be at most the number of training examples, {self.examples:,}; got {subset:,}"
            )
        _ = self._epochs  # raises now where a batch is larger than the data

    @property
    def examples_used(self) -> int:
        """Examples in an epoch: all of them, or the subset."""
        return self.examples if self.policy.subset is None else self.policy.subset

    def check_labels(self) -> None:
        """StudyError where the order needs labels and there are none; else ``indices`` would raise it."""
        if self.policy.order == "balanced" and self.policy.size is not None:
            self._draw.labels.check(self.examples)

    def epoch(self, step: int) -> int:
        """The epoch that ``step`` belongs to."""
        return self._epochs.epoch(step)

    def position(self, steps: Any) -> np.ndarray:
        """Epochs before each of ``steps``, float64 of their shape; within an epoch each step is an equal part."""
        return self._epochs.position(steps)

    def steps_in(self, epochs: float) -> int:
        """The steps of ``epochs`` epochs, rounded to the nearest number >= 1 where they are not whole."""
        return whole_steps(self._epochs.steps_in(as_decimal(epochs)))

    def sizes(self, start: int, stop: int) -> np.ndarray:
        """Examples in the batches of steps ``start`` ... ``stop - 1``: int32 [stop - start]."""
        return self._epochs.sizes(start, stop)

    def size_counts(self, total_steps: int) -> dict[int, int]:
        """How many of the first ``total_steps`` batches have each size, by increasing size."""
        return self._epochs.counts(total_steps)

    def clock(self, start: int, stop: int, total_steps: int) -> Clock:
        """The positions of steps ``start`` ... ``stop - 1`` in a budget of ``total_steps``, for schedules."""
        steps = np.arange(start, stop, dtype=np.float64)
        return Clock(steps, self.position(steps), float(total_steps), float(self.position(total_steps)))

    def indices(self, start: int, stop: int, width: int) -> np.ndarray:
        """The examples of steps ``start`` ... ``stop - 1``: int32 [stop - start, width].

        A batch shorter than ``width`` is padded with its own first examples, repeated as often as needed. ValueError
        where one is longer.
        """
        if self.policy.size is None:
            return np.broadcast_to(self._fill(self._all, width), (stop - start, width))
        batches = np.empty((stop - start, width), np.int32)
        step, epoch = start, self.epoch(start) if stop > start else 0
        while step < stop:
            cut, first = self._epochs.cut(epoch), self._epochs.first(epoch)
            until = min(stop, first + cut.steps)
            into = batches[step - start : until - start]
            self._cut_out(walk(self._draw, epoch), cut, step - first, until - first, into)
            step, epoch = until, epoch + 1
        return batches

    def _cut_out(self, order: np.ndarray, cut: EpochCut, first: int, last: int, into: np.ndarray) -> None:
        """Write batches ``first`` ... ``last - 1`` of an epoch with that order of examples ``into`` an array."""
        full, width = min(last, cut.full), into.shape[1]
        if first < full and cut.size == cut.stride == width:
            into[: full - first] = order[first * width : full * width].reshape(-1, width)
        elif first < full:
            starts = np.arange(first, full)[:, None] * cut.stride
            into[: full - first] = order[starts + self._fill(np.arange(cut.size), width)]
        if last > cut.full:
            into[-1] = self._fill(order[cut.full * cut.stride :][: cut.rest], width)

    @staticmethod
    def _fill(batch: np.ndarray, width: int) -> np.ndarray:
        """``batch`` [size] padded to [width]."""
        if len(batch) > width:
            raise ValueError(f"a batch of {len(batch)} examples does not fit a width of {width}")
        return batch if len(batch) == width else np.resize(batch, width)

    @cached_property
    def _all(self) -> np.ndarray:
        """All examples that are used, in the order of the data."""
        return walk(replace(self._draw, order="file", labels=Labels(None)), 0)

    @cached_property
    def _epochs(self) -> SameEpochs | ChangingEpochs:
        most = "the number of training examples" if self.policy.subset is None else "the size of the subset"
        return epochs_for(self.policy.size, self.examples_used, self.policy.overlap, self.policy.last, most)

    @cached_property
    def _draw(self) -> Draw:
        policy = self.policy
        labels = Labels(self.labels if policy.order == "balanced" else None)
        return Draw(policy.order, self.examples, self.seed, policy.subset, policy.subset_from, labels)
