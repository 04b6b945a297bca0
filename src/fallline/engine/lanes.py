"""Lanes: the rows of a cohort, sorted into segments of one update rule each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from fallline.contracts import Loss, Model, Optimizer

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int, PyTree

ALIVE = -1
"""The ``ended_at`` of a lane that has not ended."""


class LaneHyperparameters(NamedTuple):
    """What the lanes of one segment differ in, by the part that takes it; each value is [lanes]."""

    optimizer: dict[str, Float[Array, " lanes"]]
    loss: dict[str, Float[Array, " lanes"]]
    model: dict[str, Float[Array, " lanes"]]
    regularisation: dict[str, Float[Array, " lanes"]]


class Segment(NamedTuple):
    """Neighbouring lanes with the same update rule."""

    optimizer: Optimizer
    lanes: int


class Cohort(NamedTuple):
    """Everything that shapes the compiled program, and nothing that does not: numbers, seeds and data are arguments.

    ``gives`` is what the model's outputs are. ``scheduled``: rates come with a factor for each step. ``masked``:
    batches are filled up to the width of the program. ``averaged``: averages of the weights are kept, and evaluated.
    ``classifies``: evaluation says which class each example was given, of one output a yes above the ``cut``.
    ``regularisers`` are those that some lane uses. ``precision``: how products are computed. ``weight_types``: of each
    array of weights the type that the model computes with, where one is narrower than float32; else empty.
    """

    model: Model
    loss: Loss
    metrics: tuple[tuple[str, Callable[[Any, Any], Any]], ...]
    prepare: Callable[[Any], Any] | None
    segments: tuple[Segment, ...]
    gives: str = "logits"
    scheduled: bool = False
    masked: bool = False
    averaged: bool = False
    classifies: bool = False
    regularisers: frozenset[str] = frozenset()
    precision: str = "float32"
    cut: float = 0.0
    weight_types: tuple[str, ...] = ()

    @property
    def lanes(self) -> int:
        """Lanes of one seed."""
        return sum(segment.lanes for segment in self.segments)


class Lanes(NamedTuple):
    """Where the lanes of one segment stand: leaves [seeds, lanes, ...], or [lanes, ...] inside the loop over steps.

    ``model`` is what the model's state is (of batch normalisation, say). ``average`` is None where none is kept.
    ``ended_at`` is ALIVE, or the step at which the lane's loss was not finite or at which it was stopped; from there on
    its weights stay.
    """

    weights: PyTree[Float[Array, "seeds lanes ..."]]
    optimizer_state: PyTree
    model_state: PyTree
    average: PyTree | None
    ended_at: Int[Array, "seeds lanes"]


class State(NamedTuple):
    """Where the lanes of all seeds of a program stand, a segment each; ``step`` is theirs in common."""

    segments: tuple[Lanes, ...]
    step: Int[Array, ""]


class Batch(NamedTuple):
    """What one step sees: examples, which of them count (None: all), factors of the rates [lanes], the step's noise."""

    inputs: Array
    targets: Array
    counts: Array | None
    factors: Array | None
    key: Array


class DeviceData(NamedTuple):
    """Examples on the device: ``inputs`` [n, ...] and ``targets`` [n, ...]."""

    inputs: Array
    targets: Array


class StepInputs(NamedTuple):
    """What a chunk of steps sees, all on the host or on its way to the device.

    ``batches`` int32 [seeds, chunk, width] are the examples; ``sizes`` int32 [chunk] how many of a batch count;
    ``factors`` [seeds, chunk, lanes] multiply the learning rates. None where the cohort has no use for them.
    """

    batches: Any
    sizes: Any | None
    factors: Any | None
