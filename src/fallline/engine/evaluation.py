"""Evaluating lanes on held-out splits, batch by batch."""

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
from fallline.engine.devices import matmul_precision
from fallline.engine.lanes import Cohort, DeviceData, LaneHyperparameters, Lanes, State
from fallline.engine.mesh import ALONE, DeviceRow
from fallline.engine.step import Record, each_lane, measure
from fallline.models.convolution import lowered

EVALUATION_BATCH = 1000
"""Examples per dispatch when a split is evaluated."""

UNLOOPED_BATCH = 250
"""The same for models whose steps are not a loop (convnets): the outputs of their layers stay in the cache, and an
image takes two thirds of the time (92 us instead of 145; batches of 50 to 1,000 tried, two cores, jax 0.10.2)."""


class HeldOut(NamedTuple):
    """A split on the device in batches of one size; ``counts`` [batch] is 0 for the padding of the last batch."""

    examples: int
    batches: tuple[tuple[DeviceData, Any], ...]


class Outcome(NamedTuple):
    """Loss and metrics over a whole split, each float64 [seeds, lanes]; for classification the predicted classes,
    uint16 [seeds, lanes, examples], else None.
    """

    values: dict[str, np.ndarray]
    predicted: np.ndarray | None


class Evaluated(NamedTuple):
    """What the program of an evaluation depends on; cohorts that differ only in their optimizers share one program."""

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
    split_metrics: tuple[tuple[str, Callable[[Any, Any], Any]], ...]

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
            cohort.split_metrics,
        )

    @property
    def words(self) -> str:
        """The same as text, with the names of its components."""
        named = self._replace(
            model=self.model.name, loss=self.loss.name, metrics=[name for name, _ in self.metrics], prepare=None
        )
        *common, split_metrics = named
        return str((*common, [name for name, _ in split_metrics]) if split_metrics else tuple(common))


class Evaluation:
    """The compiled evaluation of cohorts with the same ``Evaluated``. With ``bare`` states come without the dimensions
    of seeds and lanes (see ``Program``). ``name`` identifies the program (see ``Compiled``).
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
        """The arguments of the program, of each segment: only what evaluation depends on."""
        lanes = tuple(_evaluated(lanes) for lanes in state.segments)
        return lanes, tuple((segment.loss, segment.model) for segment in hyperparameters)

    def over(self, state: State, hyperparameters: tuple[LaneHyperparameters, ...], held: HeldOut) -> Outcome:
        """Loss and metrics of every lane over a whole split."""
        inputs = self.inputs(state, hyperparameters)
        # One batch after the other: each batch in a queue would hold memory.
        parts = [dict(jax.device_get(self.compiled(*inputs, *batch))) for batch in held.batches]
        classes = [part.pop("predicted") for part in parts if "predicted" in part]
        predicted = np.concatenate(classes, axis=-1)[..., : held.examples] if classes else None
        outputs = [part.pop("outputs") for part in parts if "outputs" in part]
        sums = jax.tree.map(lambda *parts: np.sum(parts, axis=0, dtype=np.float64), *parts)
        loss = self._loss(sums.pop("loss"), hyperparameters, held.examples)
        values = {"loss": loss, **{name: total / held.examples for name, total in sums.items()}}
        if outputs:
            values |= self._of_split(np.concatenate(outputs, axis=2)[:, :, : held.examples], held)
        return Outcome(values, predicted)

    def _of_split(self, outputs: np.ndarray, held: HeldOut) -> dict[str, np.ndarray]:
        """The metrics of a whole split, float64 [seeds, lanes], of ``outputs`` [seeds, lanes, examples, ...]; nan for a
        lane with an output that is not finite."""
        targets = np.concatenate([np.asarray(data.targets) for data, _ in held.batches])[: held.examples]
        values = {name: np.full(outputs.shape[:2], np.nan) for name, _ in self.cohort.split_metrics}
        for lane in np.ndindex(*outputs.shape[:2]):
            if np.isfinite(outputs[lane]).all():
                for name, metric in self.cohort.split_metrics:
                    values[name][lane] = metric(outputs[lane].astype(np.float64), targets)
        return values

    def at_start(
        self, state: State, hyperparameters: tuple[LaneHyperparameters, ...], held: HeldOut, key: Hashable
    ) -> Outcome:
        """The same before the first step, evaluated once for all programs that start from the same ``key``."""
        values = jax.device_get([(lanes.loss, lanes.model) for lanes in hyperparameters])
        full_key = key, tuple(leaf.tobytes() for leaf in map(np.asarray, jax.tree.leaves(values)))
        with self._lock:
            first = full_key not in self._starts
            outcome = self._starts.setdefault(full_key, Future())
        if first:  # other threads that need the same outcome wait for it
            try:
                outcome.set_result(self.over(state, hyperparameters, held))
            except BaseException as failure:
                self._starts.pop(full_key)
                outcome.set_exception(failure)
                raise
        return outcome.result()

    def _loss(self, sums: Any, hyperparameters: tuple[LaneHyperparameters, ...], examples: int) -> np.ndarray:
        loss = self.cohort.loss
        if loss.whole and loss.sums is not None:
            return self._of_sums(sums, hyperparameters)
        return sums if loss.reduce == "sum" or loss.whole else sums / examples

    def _of_sums(self, sums: Any, hyperparameters: tuple[LaneHyperparameters, ...]) -> np.ndarray:
        """The loss of the whole split from the sums over all batches."""
        if self._value is None:

            def value(sums: Any, hyperparameters: dict[str, Array]) -> Array:
                return self.cohort.loss.of_sums(sums, **hyperparameters)

            self._value = jax.jit(jax.vmap(jax.vmap(value), in_axes=(0, None)))
        values = jax.tree.map(lambda *leaves: np.concatenate(leaves), *(dict(lanes.loss) for lanes in hyperparameters))
        single = jax.tree.map(lambda leaf: leaf.astype(np.float32), sums)
        return np.asarray(self._value(single, values), np.float64)

    def _sums(self, segments: Any, hyperparameters: Any, examples: DeviceData, counts: Array) -> Record:
        """Sums of loss and metrics over the examples of a batch without its padding: [seeds, lanes]."""
        prepare = self.cohort.prepare
        examples, counts = self.row.share((examples, counts))
        inputs = examples.inputs if prepare is None else prepare(examples.inputs)

        def lane(hyperparameters: Any, lanes: Any) -> Record:
            with lowered(self.lowering), matmul_precision(self.cohort.precision):
                return measure(self.cohort, *hyperparameters, *lanes, inputs, examples.targets, counts)

        def join(trees: Any, axis: int) -> Any:
            return jax.tree.map(lambda *leaves: jnp.concatenate(leaves, axis), *trees)

        if self.bare:
            segments = jax.tree.map(lambda leaf: leaf[None, None], segments)
        values, lanes = join(hyperparameters, 0), join(segments, 1)
        return each_lane(lambda seed: each_lane(lane)(values, seed))(lanes)


def _evaluated(lanes: Lanes) -> tuple[Any, Any]:
    """The weights that are evaluated, averaged where averages are kept, and the model's state."""
    return (lanes.weights if lanes.average is None else lanes.average), lanes.model_state


def hold_out(
    splits: Mapping[str, tuple[np.ndarray, np.ndarray]], row: DeviceRow = ALONE, most: int | None = EVALUATION_BATCH
) -> dict[str, HeldOut]:
    """Splits (inputs [n, ...], targets [n, ...]) on the devices of a row, ready to be evaluated. All batches have the
    same size, at most ``most`` examples; None: each split is one batch.
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
    """Examples per batch for splits of these lengths: at most ``most``, or as many as the longest split has."""
    longest = max(lengths, default=1)
    return row.even(longest if most is None else min(most, longest))


def _padded(inputs: np.ndarray, targets: np.ndarray, size: int) -> tuple[DeviceData, np.ndarray]:
    """A batch of that size; where examples are missing, the first is repeated and does not count."""
    short = size - len(inputs)
    if not short:
        return DeviceData(inputs, targets), np.ones(size, np.float32)
    rows = np.concatenate([np.arange(len(inputs)), np.zeros(short, np.int64)])
    counts = np.concatenate([np.ones(len(inputs), np.float32), np.zeros(short, np.float32)])
    return DeviceData(inputs[rows], targets[rows]), counts
