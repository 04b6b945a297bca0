"""One step of all lanes of one seed: a gradient pass, an update per segment, and freezing of lanes that diverge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from fallline import regularisation
from fallline.contracts import in_float32
from fallline.engine.lanes import ALIVE, Batch, Cohort, LaneHyperparameters, Lanes, State
from fallline.losses.linking import as_taken
from fallline.metrics.accuracy import predicted

Record = dict[str, Array]


def start(cohort: Cohort, hyperparameters: tuple[LaneHyperparameters, ...], weights: Any, model_state: Any) -> State:
    """The state of one seed before its first step: every lane starts from the weights and the model state of that seed.

    Weights of a narrower type are kept in float32: in bfloat16 an update below 1/256 of a weight would be lost.
    """
    segments, weights = [], jax.tree.map(in_float32, weights)
    for segment, values in zip(cohort.segments, hyperparameters, strict=True):
        lanes = _repeat(weights, segment.lanes)
        optimizer_state = jax.vmap(lambda n, w, s=segment: s.optimizer.make(**n).init(w))(values.optimizer, lanes)
        average = jax.tree.map(jnp.copy, lanes) if cohort.averaged else None
        alive = jnp.full(segment.lanes, ALIVE, jnp.int32)
        segments.append(Lanes(lanes, optimizer_state, _repeat(model_state, segment.lanes), average, alive))
    return State(tuple(segments), jnp.int32(0))


def step(
    cohort: Cohort, wide: bool, hyperparameters: tuple[LaneHyperparameters, ...], batch: Batch, state: State
) -> tuple[State, Record]:
    """The state after one step on that batch, and the record before the update: per lane, [lanes].

    ``wide``: one gradient pass for the lanes of all segments, so that their matmuls with the shared inputs become one;
    else each segment has its own pass and stays in the cache for its update.
    """
    if cohort.prepare is not None:
        batch = batch._replace(inputs=cohort.prepare(batch.inputs))
    passes = _wide_pass if wide else _segment_passes
    gradients = passes(cohort, hyperparameters, state.segments, batch)
    factors = _cut(cohort, batch.factors) if cohort.scheduled else [None] * len(cohort.segments)
    segments = []
    for segment, values, lanes, factor, (gradient, model_state, record) in zip(
        cohort.segments, hyperparameters, state.segments, factors, gradients, strict=True
    ):
        alive, finite = lanes.ended_at == ALIVE, jnp.isfinite(record["loss"])
        move = each_lane(lambda *lane, s=segment: _move(cohort, s.optimizer.make, *lane))
        weights, optimizer_state, model_state, average = move(
            values, factor, alive & finite, gradient, model_state, lanes
        )
        ended_at = jnp.where(alive & ~finite, state.step, lanes.ended_at)
        segments.append(Lanes(weights, optimizer_state, model_state, average, ended_at))
    return State(tuple(segments), state.step + 1), _join([record for *_, record in gradients])


def measure(
    cohort: Cohort,
    loss: dict[str, Array],
    model: dict[str, Array],
    weights: Any,
    state: Any,
    inputs: Array,
    targets: Array,
    counts: Array,
) -> Record:
    """Sums of loss and metrics over the examples with ``counts`` [batch] of 1 (padding has 0), of one lane.

    ``loss`` and ``model`` are hyperparameters, ``state`` is the state of the model. For a loss of a whole batch the
    record's loss holds the sums that it adds up over batches, or its value where it has none. For classification
    ``predicted`` [batch] is the predicted class of each example. ``outputs`` [batch, ...] are kept for metrics of a
    whole split.
    """
    outputs, _ = cohort.model.run(_in_model_types(cohort, weights), state, inputs, None, model)
    outputs = in_float32(outputs)
    linked = as_taken(cohort.loss.takes, cohort.gives, outputs)
    if cohort.loss.whole:
        value = jax.tree.map(in_float32, (cohort.loss.sums or cohort.loss.function)(linked, targets, counts, **loss))
    else:
        value = jnp.where(counts > 0, in_float32(cohort.loss.function(linked, targets, **loss)), 0).sum()
    record = {
        name: jnp.where(counts > 0, in_float32(metric(outputs, targets)), 0).sum() for name, metric in cohort.metrics
    }
    if cohort.classifies:
        record["predicted"] = predicted(outputs, cohort.cut).astype(jnp.uint16)
    if cohort.split_metrics:
        record["outputs"] = outputs
    return {"loss": value, **record}


def each_lane(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` of one lane, mapped over lanes; a single lane has no lane dimension, which would slow matmuls
    down."""

    def over(*trees: Any) -> Any:
        if jax.tree.leaves(trees)[0].shape[0] == 1:
            lane = jax.tree.map(lambda leaf: leaf[0], trees)
            return jax.tree.map(lambda leaf: leaf[None], function(*lane))
        return jax.vmap(function)(*trees)

    return over


def _move(
    cohort: Cohort,
    make: Any,
    hyperparameters: LaneHyperparameters,
    factor: Array | None,
    trains: Array,
    gradient: Any,
    model_state: Any,
    lane: Lanes,
) -> tuple[Any, Any, Any, Any]:
    """One lane's weights, optimizer state, model state and average after an update.

    A lane that no longer ``trains`` keeps its weights (its optimizer's state no longer matters). So does a lane at a
    learning rate of 0, whatever its optimizer would do with that.
    """
    values, weights, moves = dict(hyperparameters.optimizer), lane.weights, trains
    if factor is not None and "learning_rate" in values:
        values["learning_rate"] = values["learning_rate"] * factor
        moves &= values["learning_rate"] != 0  # an optimizer that keeps its last step would take it again
    gradient = regularisation.on_gradient(hyperparameters.regularisation, weights, gradient)
    change, optimizer_state = make(**values).update(gradient, lane.optimizer_state, weights)
    change = regularisation.on_change(hyperparameters.regularisation, values.get("learning_rate", 1.0), weights, change)
    change = jax.tree.map(lambda leaf: jnp.where(moves, leaf, -0.0), change)  # -0.0 + -0.0 keeps its sign, 0.0 does not
    moved = jax.tree.map(lambda weight, step: (weight + step).astype(weight.dtype), weights, change)
    average = (
        None if lane.average is None else regularisation.average(hyperparameters.regularisation, lane.average, moved)
    )
    kept = jax.tree.map(lambda new, old: jnp.where(trains, new, old), model_state, lane.model_state)
    return moved, optimizer_state, kept, average


def _gradient_of_lanes(
    cohort: Cohort, hyperparameters: LaneHyperparameters, lanes: Lanes, batch: Batch
) -> tuple[Any, Any, Record]:
    """Gradient, model state and record of every lane, all on the same batch and with the same noise."""

    def objective(weights: Any, model_state: Any, loss: Any, model: Any) -> tuple[Array, tuple[Any, Record]]:
        weights = _in_model_types(cohort, weights)
        outputs, model_state = cohort.model.run(weights, model_state, batch.inputs, batch.key, model)
        outputs = in_float32(outputs)
        value = cohort.loss(as_taken(cohort.loss.takes, cohort.gives, outputs), batch.targets, batch.counts, **loss)
        watched = {} if cohort.model.watch is None else dict(cohort.model.watch(weights))
        watched = {name: in_float32(value) for name, value in watched.items()}
        metrics = {name: _mean(metric(outputs, batch.targets), batch.counts) for name, metric in cohort.metrics}
        return value, (model_state, {"loss": value, **metrics, **watched})

    gradient, (model_state, record) = each_lane(jax.grad(objective, has_aux=True))(
        lanes.weights, lanes.model_state, hyperparameters.loss, hyperparameters.model
    )
    return gradient, model_state, record


def _in_model_types(cohort: Cohort, weights: Any) -> Any:
    """The weights in the types that the model computes with; they are kept and updated in float32."""
    if not cohort.weight_types:
        return weights
    leaves, tree = jax.tree.flatten(weights)
    return jax.tree.unflatten(
        tree, [leaf.astype(dtype) for leaf, dtype in zip(leaves, cohort.weight_types, strict=True)]
    )


def _mean(values: Array, counts: Array | None) -> Array:
    values = in_float32(values)
    return values.mean() if counts is None else jnp.where(counts > 0, values, 0).sum() / counts.sum()


def _wide_pass(
    cohort: Cohort, hyperparameters: tuple[LaneHyperparameters, ...], segments: tuple[Lanes, ...], batch: Batch
) -> list:
    def join(trees: list[Any]) -> Any:
        return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *trees)

    joined = segments[0]._replace(
        weights=join([lanes.weights for lanes in segments]), model_state=join([lanes.model_state for lanes in segments])
    )
    values = hyperparameters[0]._replace(
        loss=join([segment.loss for segment in hyperparameters]),
        model=join([segment.model for segment in hyperparameters]),
    )
    parts = _gradient_of_lanes(cohort, values, joined, batch)
    return list(zip(*(_cut(cohort, part) for part in parts), strict=True))


def _segment_passes(
    cohort: Cohort, hyperparameters: tuple[LaneHyperparameters, ...], segments: tuple[Lanes, ...], batch: Batch
) -> list:
    return [
        _gradient_of_lanes(cohort, values, lanes, batch)
        for values, lanes in zip(hyperparameters, segments, strict=True)
    ]


def _cut(cohort: Cohort, tree: Any) -> list[Any]:
    """A tree over all lanes as one tree per segment."""
    parts, first = [], 0
    for segment in cohort.segments:
        last = first + segment.lanes
        parts.append(jax.tree.map(lambda leaf, a=first, b=last: leaf[a:b], tree))
        first = last
    return parts


def _join(records: list[Record]) -> Record:
    return {name: jnp.concatenate([record[name] for record in records]) for name in records[0]}


def _repeat(tree: Any, lanes: int) -> Any:
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (lanes, *jnp.shape(leaf))), tree)
