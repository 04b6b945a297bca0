"""Lanes: the configurations of a cohort, sorted into segments with one optimizer each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from fallline.contracts import Loss, Model, Optimizer

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int, PyTree

ALIVE = -1
"""The ``ended_at`` of a lane that has not ended."""


class LaneHyperparameters(NamedTuple):
    """The hyperparameters of the lanes of one segment, by the component that takes them; each value is [lanes]."""

    optimizer: dict[str, Float[Array, " lanes"]]
    loss: dict[str, Float[Array, " lanes"]]
    model: dict[str, Float[Array, " lanes"]]
    regularisation: dict[str, Float[Array, " lanes"]]


class Segment(NamedTuple):
    """Consecutive lanes with the same optimizer."""

    optimizer: Optimizer
    lanes: int


class Cohort(NamedTuple):
    """Everything that the compiled program depends on, and nothing else: hyperparameters, seeds and data are arguments.

    ``gives`` says what the outputs of the model are. ``scheduled``: learning rates are multiplied by a factor at each
    step. ``masked``: batches are padded to the width of the program. ``averaged``: averages of the weights are kept and
    evaluated. ``classifies``: evaluation returns the predicted class of each example; with one output it is "yes" above
    the ``cut``. ``regularisers`` are those that some lane uses. ``precision`` is that of matmuls. ``weight_types`` has
    the type of each array of weights that the model computes with, where one is narrower than float32; else it is
    empty. ``split_metrics`` are functions of all outputs and targets of a split, computed on the host.
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
    split_metrics: tuple[tuple[str, Callable[[Any, Any], Any]], ...] = ()

    @property
    def lanes(self) -> int:
        """The number of lanes per seed."""
        return sum(segment.lanes for segment in self.segments)


class Lanes(NamedTuple):
    """The state of the lanes of one segment: leaves [seeds, lanes, ...], or [lanes, ...] inside the loop over steps.

    ``model_state`` is, for example, the running statistics of batch normalisation. ``average`` is None where no average
    of the weights is kept. ``ended_at`` is ALIVE, or the step at which the lane diverged (its loss was not finite) or
    was stopped; from that step on its weights do not change.
    """

    weights: PyTree[Float[Array, "seeds lanes ..."]]
    optimizer_state: PyTree
    model_state: PyTree
    average: PyTree | None
    ended_at: Int[Array, "seeds lanes"]


class State(NamedTuple):
    """The state of all lanes and seeds of a program, one entry per segment; all are at the same ``step``."""

    segments: tuple[Lanes, ...]
    step: Int[Array, ""]


class Batch(NamedTuple):
    """The inputs of one step of one seed: examples, 1 or 0 for each that counts or is padding (None: no padding),
    factors of the learning rates [lanes], the key of the step's noise."""

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
    """The inputs of a chunk of steps, on the host.

    ``batches`` int32 [seeds, chunk, width] are the indices of examples; ``sizes`` int32 [chunk] the batch sizes without
    padding; ``factors`` [seeds, chunk, lanes] multiply the learning rates. None where the cohort does not use them.
    """

    batches: Any
    sizes: Any | None
    factors: Any | None
