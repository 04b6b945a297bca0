"""The stream of batches of one seed: any stretch of steps can be asked for, in any order, and is always the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from fallline.errors import StudyError

STREAM = 0x62617463
"""Keeps the draws for batches apart from any other use of the same seed ("batc" in ASCII)."""


def shuffled(examples: int, seed: int, epoch: int) -> np.ndarray:
    """A new order of all examples each epoch."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, STREAM, epoch]))).permutation(examples)


def in_file_order(examples: int, seed: int, epoch: int) -> np.ndarray:
    """The order of the data, every epoch."""
    return np.arange(examples)


ORDERS: Mapping[str, Callable[[int, int, int], np.ndarray]] = {"shuffled": shuffled, "file": in_file_order}


@dataclass(frozen=True)
class BatchStream:
    """Batches of ``batch_size`` from ``examples`` examples, a last partial batch of an epoch dropped.

    ``batch_size`` None means all examples at every step, in the order of the data.
    """

    examples: int
    batch_size: int | None
    order: str
    seed: int

    def __post_init__(self) -> None:
        if self.batch_size is not None and self.batch_size > self.examples:
            raise StudyError(f"batch_size must be at most the number of training examples, {self.examples:,}; "
                             f"got {self.batch_size:,}")

    @property
    def size(self) -> int:
        """Examples a step."""
        return self.examples if self.batch_size is None else self.batch_size

    @property
    def steps_per_epoch(self) -> int:
        return self.examples // self.size

    def indices(self, start: int, stop: int) -> np.ndarray:
        """The examples of steps ``start`` ... ``stop - 1``: int32 [stop - start, size]."""
        if self.batch_size is None:
            return np.broadcast_to(np.arange(self.examples, dtype=np.int32), (stop - start, self.examples))
        chosen = np.empty((stop - start, self.size), np.int32)
        step = start
        while step < stop:
            epoch, first = divmod(step, self.steps_per_epoch)
            count = min(stop - step, self.steps_per_epoch - first)
            order = _epoch(self.order, self.examples, self.seed, epoch)
            examples = order[first * self.size:(first + count) * self.size]
            chosen[step - start:step - start + count] = examples.reshape(count, self.size)
            step += count
        return chosen


@lru_cache(maxsize=64)
def _epoch(order: str, examples: int, seed: int, epoch: int) -> np.ndarray:
    # Chunks are far shorter than epochs, so one permutation serves many calls.
    return ORDERS[order](examples, seed, epoch).astype(np.int32)
