"""One step of all lanes of one seed: a gradient pass, an update a segment, and the freezing of lanes that diverge."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from fallline.engine.lanes import ALIVE, Cohort, Numbers, State

Record = dict[str, Array]


def start(cohort: Cohort, numbers: tuple[Numbers, ...], key: Array) -> State:
    """The state of one seed before its first step: every lane begins with the weights of that seed."""
    weights = cohort.model.init(key)
    lanes = tuple(_repeat(weights, segment.lanes) for segment in cohort.segments)
    rules = tuple(jax.vmap(lambda n, w, s=segment: s.optimizer.make(**n).init(w))(own, weights)
                  for segment, own, weights in zip(cohort.segments, numbers, lanes, strict=True))
    alive = tuple(jnp.full(segment.lanes, ALIVE, jnp.int32) for segment in cohort.segments)
    return State(lanes, rules, alive, jnp.int32(0))


def step(cohort: Cohort, wide: bool, numbers: tuple[Numbers, ...], inputs: Array, targets: Array,
         state: State) -> tuple[State, Record]:
    """The state after one step on that batch, and what was seen before it: per lane, [lanes].

    ``wide``: one gradient pass joins the lanes of all segments, so that their products with the shared inputs become
    one; else each segment makes its own pass and stays in the cache for its update.
    """
    inputs = inputs if cohort.prepare is None else cohort.prepare(inputs)
    passes = _wide_pass if wide else _segment_passes
    gradients, records = passes(cohort, state.weights, inputs, targets)
    lanes = []
    for s, segment in enumerate(cohort.segments):
        alive = state.diverged_at[s] == ALIVE
        finite = jnp.isfinite(records[s]["loss"])
        moved, rule = jax.vmap(_update, in_axes=(None, 0, 0, 0, 0, 0))(
            segment.optimizer.make, numbers[s], alive & finite, gradients[s], state.rules[s], state.weights[s])
        diverged_at = jnp.where(alive & ~finite, state.step, state.diverged_at[s])
        lanes.append((moved, rule, diverged_at))
    weights, rules, diverged_at = (tuple(parts) for parts in zip(*lanes, strict=True))
    return State(weights, rules, diverged_at, state.step + 1), _join(records)


def measure(cohort: Cohort, weights: Any, inputs: Array, targets: Array, counts: Array) -> Record:
    """The sums over the examples that count (``counts`` [batch] of 0 and 1) of loss and metrics, one lane."""
    outputs = cohort.model.apply(weights, inputs)
    values = {"loss": cohort.loss.function(outputs, targets)}
    values |= {name: metric(outputs, targets) for name, metric in cohort.metrics}
    return {name: jnp.where(counts > 0, value, 0).sum() for name, value in values.items()}


def _update(make: Any, numbers: Numbers, goes_on: Array, gradient: Any, rule: Any, weights: Any) -> tuple[Any, Any]:
    """One lane's update; a lane that does not go on keeps its weights (its rule's state no longer matters)."""
    change, rule = make(**numbers).update(gradient, rule, weights)
    change = jax.tree.map(lambda leaf: jnp.where(goes_on, leaf, 0), change)
    return optax.apply_updates(weights, change), rule


def _gradient_of_lanes(cohort: Cohort, weights: Any, inputs: Array, targets: Array) -> tuple[Any, Record]:
    """Gradient and record of every lane, all on the same batch."""

    def lane_loss(weights: Any) -> tuple[Array, Record]:
        outputs = cohort.model.apply(weights, inputs)
        loss = cohort.loss(outputs, targets)
        watched = {} if cohort.model.watch is None else dict(cohort.model.watch(weights))
        seen = {name: metric(outputs, targets).mean() for name, metric in cohort.metrics}
        return loss, {"loss": loss, **seen, **watched}

    return jax.vmap(jax.grad(lane_loss, has_aux=True))(weights)


def _wide_pass(cohort: Cohort, weights: tuple[Any, ...], inputs: Array, targets: Array) -> tuple[list, list]:
    together = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *weights)
    gradient, record = _gradient_of_lanes(cohort, together, inputs, targets)
    return _cut(cohort, gradient), _cut(cohort, record)


def _segment_passes(cohort: Cohort, weights: tuple[Any, ...], inputs: Array, targets: Array) -> tuple[list, list]:
    passes = [_gradient_of_lanes(cohort, own, inputs, targets) for own in weights]
    return [gradient for gradient, _ in passes], [record for _, record in passes]


def _cut(cohort: Cohort, tree: Any) -> list[Any]:
    """A tree over all lanes as one tree a segment."""
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
