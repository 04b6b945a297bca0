"""The compiled program of a cohort: start, advance by a chunk of steps, evaluate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from fallline.engine.compiled import Compiled
from fallline.engine.lanes import Cohort, Data, Numbers, State
from fallline.engine.step import Record, measure, start, step


@dataclass(frozen=True)
class Layout:
    """How a cohort is run. It changes speed, and results only by rounding.

    ``seeds``: seeds a program; more programs of the same kind take the rest. ``wide``: one gradient pass over all
    segments. ``workers``: programs that run side by side. ``chunk``: steps a dispatch.
    """

    seeds: int
    wide: bool
    workers: int
    chunk: int


class Program:
    """One cohort, compiled for one layout. Its three functions trace once each, whatever numbers and seeds come."""

    def __init__(self, cohort: Cohort, layout: Layout):
        self.cohort, self.layout = cohort, layout
        self.start = Compiled(self.start_state)
        self.advance = Compiled(self._advance, donate=(0,))
        self.evaluate = Compiled(self._evaluate)

    @property
    def parts(self) -> tuple[Compiled, ...]:
        return self.start, self.advance, self.evaluate

    @property
    def traces(self) -> int:
        """Times any part was traced; at most three."""
        return sum(part.traces for part in self.parts)

    def start_state(self, keys: Array, numbers: tuple[Numbers, ...]) -> State:
        """The state of ``layout.seeds`` seeds, from a key each."""
        return _stack([start(self.cohort, numbers, key) for key in keys])

    def _advance(self, state: State, numbers: tuple[Numbers, ...], train: Data,
                 batches: Int[Array, "seeds chunk batch"], steps: Array) -> tuple[State, Record]:
        """The state ``steps`` (at most a chunk) later, and the record of each step: [chunk, seeds, lanes]."""
        def one_seed(state: State, chosen: Array) -> tuple[State, Record]:
            return step(self.cohort, self.layout.wide, numbers, train.inputs[chosen], train.targets[chosen], state)

        if self.layout.seeds == 1:
            # One seed alone has no batch dimension inside the loop: it would make products slow and weights be copied.
            state, records = self._loop(one_seed, _seed(state, 0), batches[0], steps)
            return _stack([state]), {name: values[:, None] for name, values in records.items()}
        axes = State(0, 0, 0, None)
        each_seed = jax.vmap(one_seed, in_axes=(axes, 0), out_axes=(axes, 0))
        return self._loop(each_seed, state, batches.swapaxes(0, 1), steps)

    def _loop(self, one_step: Any, state: State, batches: Array, steps: Array) -> tuple[State, Record]:
        """``one_step`` over the first ``steps`` of ``batches`` [chunk, ...], each step's record kept."""
        def next_step(i: Array, carried: tuple[State, Record]) -> tuple[State, Record]:
            state, records = carried
            state, record = one_step(state, batches[i])
            return state, {name: records[name].at[i].set(value) for name, value in record.items()}

        shapes = jax.eval_shape(one_step, state, batches[0])[1]
        records = {name: jnp.zeros((self.layout.chunk, *shape.shape), shape.dtype) for name, shape in shapes.items()}
        return jax.lax.fori_loop(0, steps, next_step, (state, records))

    def _evaluate(self, state: State, examples: Data, counts: Array) -> Record:
        """Sums of loss and metrics over the examples that count, per lane: [seeds, lanes]."""
        prepare = self.cohort.prepare
        inputs = examples.inputs if prepare is None else prepare(examples.inputs)

        def lane(weights: Any) -> Record:
            return measure(self.cohort, weights, inputs, examples.targets, counts)

        together = jax.tree.map(lambda *leaves: jnp.concatenate(leaves, axis=1), *state.weights)
        return jax.vmap(jax.vmap(lane))(together)


def _seed(state: State, seed: int) -> State:
    return State(*(jax.tree.map(lambda leaf: leaf[seed], part) for part in state[:3]), state.step)


def _stack(states: list[State]) -> State:
    """States of single seeds as one state; the step is theirs in common."""
    lanes = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(tuple(state[:3]) for state in states))
    return State(*lanes, states[0].step)
