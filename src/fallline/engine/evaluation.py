"""Evaluating lanes on a split that is held out, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Future
from threading import Lock
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from fallline.contracts import Loss, Model
from fallline.engine.compiled import Compiled
from fallline.engine.devices import products
from fallline.engine.lanes import Cohort, DeviceData, LaneHyperparameters, Lanes, State
from fallline.engine.mesh import ALONE, DeviceRow
from fallline.engine.step import Record, each_lane, measure
from fallline.models.convolution import lowered

EVALUATION_BATCH = 1000
"""Examples a dispatch when a split is evaluated."""

UNLOOPED_BATCH = 250
"""The same of models whose steps are no loop, convnets: their layers' outputs stay in the cache, and an image takes
two thirds of the time (92 us for 145, batches of 50 to 1,000 tried, two cores, jax 0.10.2)."""


class HeldOut(NamedTuple):
    """A split on the device in batches of one size; ``counts`` [batch] is 0 for the examples that fill the last."""

    examples: int
    batches: tuple[tuple[DeviceData, Any], ...]


class Outcome(NamedTuple):
    """Loss and metrics over a whole split, each float64 [seeds, lanes]; of a classification the classes given,
    uint16 [seeds, lanes, examples], else None.
    """

    values: dict[str, np.ndarray]
    predicted: np.ndarray | None


class Evaluated(NamedTuple):
    """What shapes an evaluation, and nothing of update rules: cohorts that are alike in it share one program."""

    model: Model
    loss: Loss
    metrics: tuple[tuple[str, Callable[[Any, Any], Any]], ...]
    prepare: Callable[[Any], Any] | None
    lanes: tuple[int, ...]
    gives: str
    classifies: bool
    precision: str
    cut: float
    weight_types: tuple[str, ...]

    @classmethod
    def of(cls, cohort: Cohort) -> Evaluated:
        return cls(
            cohort.model,
            cohort.loss,
            cohort.metrics,
            cohort.prepare,
            tuple(segment.lanes for segment in cohort.segments),
            cohort.gives,
            cohort.classifies,
            cohort.precision,
            cohort.cut,
            cohort.weight_types,
        )

    @property
    def words(self) -> str:
        """The same by the names of its parts."""
        named = self._replace(
            model=self.model.name, loss=self.loss.name, metrics=[name for name, _ in self.metrics], prepare=None
        )
        return str(tuple(named))


class Evaluation:
    """The compiled evaluation of the lanes of cohorts that are alike in ``Evaluated``. With ``bare`` their states come
    without the dimensions of seeds and lanes, as ``Program`` has it. ``name`` tells it apart, as ``Compiled`` has it.
    """

    def __init__(
        self,
        cohort: Cohort,
        lowering: str = "",
        thin: bool = True,
        row: DeviceRow = ALONE,
        bare: bool = False,
        name: str | None = None,
    ):
        self.cohort, self.lowering, self.row, self.bare = cohort, lowering, row, bare
        self.compiled = Compiled(self._sums, thin=thin, everywhere=row.everywhere if row.data > 1 else None, name=name)
        self._value: Any = None  # of the sums of a loss of a whole split
        self._starts: dict[Hashable, Future[Outcome]] = {}
        self._lock = Lock()

    def inputs(self, state: State, hyperparameters: tuple[LaneHyperparameters, ...]) -> tuple[Any, Any]:
        """What the program takes of lanes: no more than evaluation depends on, a segment each."""
        lanes = tuple(_seen(own) for own in state.segments)
        return lanes, tuple((own.loss, own.model) for own in hyperparameters)

    def over(self, state: State, hyperparameters: tuple[LaneHyperparameters, ...], held: HeldOut) -> Outcome:
        """Loss and metrics of every lane over a whole split."""
        inputs = self.inputs(state, hyperparameters)
        # One batch after the other: each that waits in a queue would hold memory of its own.
        seen = [dict(jax.device_get(self.compiled(*inputs, *batch))) for batch in held.batches]
        classes = [part.pop("predicted") for part in seen if "predicted" in part]
        predicted = np.concatenate(classes, axis=-1)[..., : held.examples] if classes else None
        sums = jax.tree.map(lambda *parts: np.sum(parts, axis=0, dtype=np.float64), *seen)
        loss = self._loss(sums.pop("loss"), hyperparameters, held.examples)
        return Outcome({"loss": loss, **{name: total / held.examples for name, total in sums.items()}}, predicted)

    def at_start(
        self, state: State, hyperparameters: tuple[LaneHyperparameters, ...], held: HeldOut, key: Hashable
    ) -> Outcome:
        """The same before the first step, where all that ``key`` names alike begins alike: evaluated once."""
        own = jax.device_get([(lanes.loss, lanes.model) for lanes in hyperparameters])
        whole = key, tuple(leaf.tobytes() for leaf in map(np.asarray, jax.tree.leaves(own)))
        with self._lock:
            mine = whole not in self._starts
            found = self._starts.setdefault(whole, Future())
        if mine:  # others that need the same wait for it
            try:
                found.set_result(self.over(state, hyperparameters, held))
            except BaseException as failure:
                self._starts.pop(whole)
                found.set_exception(failure)
                raise
        return found.result()

    def _loss(self, sums: Any, hyperparameters: tuple[LaneHyperparameters, ...], examples: int) -> np.ndarray:
        loss = self.cohort.loss
        if loss.whole and loss.sums is not None:
            return self._of_sums(sums, hyperparameters)
        return sums if loss.reduce == "sum" or loss.whole else sums / examples

    def _of_sums(self, sums: Any, hyperparameters: tuple[LaneHyperparameters, ...]) -> np.ndarray:
        """The value of a loss of the whole split, from the sums over all batches."""
        if self._value is None:

            def value(sums: Any, hyperparameters: dict[str, Array]) -> Array:
                return self.cohort.loss.of_sums(sums, **hyperparameters)

            self._value = jax.jit(jax.vmap(jax.vmap(value), in_axes=(0, None)))
        own = jax.tree.map(lambda *leaves: np.concatenate(leaves), *(dict(lanes.loss) for lanes in hyperparameters))
        single = jax.tree.map(lambda leaf: leaf.astype(np.float32), sums)
        return np.asarray(self._value(single, own), np.float64)

    def _sums(self, segments: Any, hyperparameters: Any, examples: DeviceData, counts: Array) -> Record:
        """Sums of loss and metrics over the examples that count, per lane: [seeds, lanes]."""
        prepare = self.cohort.prepare
        examples, counts = self.row.share((examples, counts))
        inputs = examples.inputs if prepare is None else prepare(examples.inputs)

        def lane(hyperparameters: Any, lanes: Any) -> Record:
            with lowered(self.lowering), products(self.cohort.precision):
                return measure(self.cohort, *hyperparameters, *lanes, inputs, examples.targets, counts)

        def join(trees: Any, axis: int) -> Any:
            return jax.tree.map(lambda *leaves: jnp.concatenate(leaves, axis), *trees)

        if self.bare:
            segments = jax.tree.map(lambda leaf: leaf[None, None], segments)
        own, lanes = join(hyperparameters, 0), join(segments, 1)
        return each_lane(lambda seed: each_lane(lane)(own, seed))(lanes)


def _seen(lanes: Lanes) -> tuple[Any, Any]:
    """The weights that are evaluated, or their averages, and the model's state."""
    return (lanes.weights if lanes.average is None else lanes.average), lanes.model_state


def hold_out(
    splits: Mapping[str, tuple[np.ndarray, np.ndarray]], row: DeviceRow = ALONE, most: int | None = EVALUATION_BATCH
) -> dict[str, HeldOut]:
    """Splits (inputs [n, ...], targets [n, ...]) on the devices of a row, ready to be evaluated; all in batches of the
    same size, at most so many examples, or with None each split in one.
    """
    size, held = batch_size([len(inputs) for inputs, _ in splits.values()], row, most), {}
    for name, (inputs, targets) in splits.items():
        batches = [
            _padded(inputs[first : first + size], targets[first : first + size], size)
            for first in range(0, len(inputs), size)
        ]
        held[name] = HeldOut(len(inputs), tuple(row.put(batch) for batch in batches))
    return held


def batch_size(lengths: Sequence[int], row: DeviceRow, most: int | None) -> int:
    """Examples a batch for splits of so many: at most ``most``, or as many as the longest has."""
    longest = max(lengths, default=1)
    return row.even(longest if most is None else min(most, longest))


def _padded(inputs: np.ndarray, targets: np.ndarray, size: int) -> tuple[DeviceData, np.ndarray]:
    """A batch of that size: the examples repeated at its end do not count."""
    short = size - len(inputs)
    if not short:
        return DeviceData(inputs, targets), np.ones(size, np.float32)
    rows = np.concatenate([np.arange(len(inputs)), np.zeros(short, np.int64)])
    counts = np.concatenate([np.ones(len(inputs), np.float32), np.zeros(short, np.float32)])
    return DeviceData(inputs[rows], targets[rows]), counts
