"""Draws: what the examples of a stream depend on, and their order in each epoch."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from fallline.batching.orders import ORDERS
from fallline.errors import StudyError

BATCHES = 0x62617463
"""Separates the draws of batches from any other use of the same seed ("batc" in ASCII)."""

SUBSET = 0x73756273
"""The same for the choice of a random subset ("subs" in ASCII)."""


class Labels:
    """The classes of all examples, equal and hashed by value. ``values`` are whole numbers [examples] or None."""

    def __init__(self, values: Any):
        self.values = None if values is None else np.asarray(values)
        self._key = None if self.values is None else (self.values.dtype.str, self.values.shape, self.values.tobytes())
        self._hash = hash(self._key)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Labels) and self._key == other._key

    def check(self, examples: int) -> np.ndarray:
        """The values, or StudyError where they are not whole numbers [examples]."""
        if self.values is None:
            raise StudyError(
                "the order balanced needs a class label of each training example, and there are none; "
                'write order = "shuffled"'
            )
        if self.values.shape != (examples,) or not np.issubdtype(self.values.dtype, np.integer):
            raise StudyError(
                f"the order balanced needs labels that are whole numbers [{examples}], got "
                f'{self.values.dtype} {list(self.values.shape)}; write order = "shuffled"'
            )
        return self.values


@dataclass(frozen=True)
class Draw:
    """Equal draws give equal orders. ``examples`` is the size of the data, of which ``subset`` (None: all) are used."""

    order: str
    examples: int
    seed: int
    subset: int | None
    subset_from: str
    labels: Labels = field(repr=False)

    @property
    def used(self) -> int:
        """How many examples are used."""
        return self.examples if self.subset is None else self.subset

    def classes(self) -> tuple[np.ndarray, ...]:
        """For each class the positions of its examples among those used, by increasing label."""
        labels = self.labels.check(self.examples)[chosen(self)]
        order = np.argsort(labels, kind="stable")
        return tuple(np.split(order, np.flatnonzero(np.diff(labels[order])) + 1))


@lru_cache(maxsize=64)
def chosen(draw: Draw) -> np.ndarray:
    """The examples that are used, by increasing index: int64 [used].

    A larger random subset of a seed contains every smaller one, so that subsets of several sizes compare fairly.
    """
    if draw.subset is None or draw.subset_from == "first":
        return np.arange(draw.used)
    return np.sort(_generator(draw.seed, SUBSET).permutation(draw.examples)[: draw.subset])


@lru_cache(maxsize=64)
def walk(draw: Draw, epoch: int) -> np.ndarray:
    """The examples of ``epoch`` in their order: int32 [used], read-only."""
    # Chunks are far shorter than epochs, so one order serves many calls.
    order = ORDERS[draw.order](draw.used, lambda: _generator(draw.seed, BATCHES, epoch), lambda: _classes(draw))
    if draw.subset is not None:
        order = chosen(draw)[order]
    order = order.astype(np.int32)
    order.flags.writeable = False
    return order


_classes = lru_cache(maxsize=64)(Draw.classes)


def _generator(seed: int, *stream: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, *stream])))
