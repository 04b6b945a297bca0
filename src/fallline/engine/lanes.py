"""Lanes: the rows of a cohort, sorted into segments of one update rule each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Array, Float, Int, PyTree

from fallline.contracts import Loss, Model, Optimizer

ALIVE = -1
"""The ``diverged_at`` of a lane that has not diverged."""

Numbers = dict[str, Float[Array, " lanes"]]


class Segment(NamedTuple):
    """Neighbouring lanes with the same update rule."""

    optimizer: Optimizer
    lanes: int


class Cohort(NamedTuple):
    """Everything that shapes the compiled program, and nothing that does not: numbers, seeds and data are arguments."""

    model: Model
    loss: Loss
    metrics: tuple[tuple[str, Callable[[Any, Any], Any]], ...]
    prepare: Callable[[Any], Any] | None
    segments: tuple[Segment, ...]

    @property
    def lanes(self) -> int:
        """Lanes of one seed."""
        return sum(segment.lanes for segment in self.segments)


class State(NamedTuple):
    """Where the lanes of all seeds of a program stand. The tuples have one entry a segment.

    ``diverged_at`` is ALIVE, or the step whose loss was not finite; from there on the lane's weights stay.
    """

    weights: tuple[PyTree[Float[Array, "seeds lanes ..."]], ...]
    rules: tuple[PyTree, ...]
    diverged_at: tuple[Int[Array, "seeds lanes"], ...]
    step: Int[Array, ""]


class Data(NamedTuple):
    """Examples on the device: ``inputs`` [n, ...] and ``targets`` [n, ...]."""

    inputs: Array
    targets: Array
