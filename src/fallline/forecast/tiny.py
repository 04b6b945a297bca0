"""Tiny trainings by the engine itself: what is left of their seconds is the host's part, or that of small loops."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from fallline.batching import BatchPolicy, BatchStream
from fallline.contracts import Model
from fallline.engine.batches import Batches
from fallline.engine.devices import prepare_jax
from fallline.engine.evaluation import hold_out
from fallline.engine.lanes import Cohort, Data, Numbers, Segment
from fallline.engine.program import Layout, Program
from fallline.engine.side_by_side import run_side_by_side
from fallline.engine.training import Records, Work, chunks, stretch
from fallline.forecast.costs import Costs
from fallline.forecast.hlo import costs
from fallline.losses import find_loss
from fallline.metrics import find_metric
from fallline.optimizers import find_optimizer

EXAMPLES = 64


def _layer(curved: bool) -> Model:
    """4-3, with sigmoids where it is ``curved``; its product is a sum, so that XLA makes one native function of the
    loop over steps.
    """
    def init(key: Any) -> Any:
        jax = prepare_jax()
        return {"W": 0.1 * jax.random.normal(key, (3, 4)), "b": jax.numpy.zeros(3)}

    def apply(weights: Any, inputs: Any) -> Any:
        sums = (inputs[:, None, :] * weights["W"]).sum(-1) + weights["b"]
        return prepare_jax().nn.sigmoid(sums) if curved else sums

    return Model(f"tiny, curved: {curved}", init, apply)


class Seconds(NamedTuple):
    """Of a tiny training: its first dispatch, one of the others, an evaluation."""

    first: float
    chunk: float
    look: float


class Tiny:
    """A layer of fifteen weights under Adam, evaluated after every chunk of ``chunk`` steps; compiled.

    ``arrays`` are those that a dispatch is given and gives, of which so many are ``fetched``; ``look_arrays`` and
    ``look_fetched`` those of a batch of evaluation.
    """

    def __init__(self, segments: int, lanes: int, metrics: int, batch: int, chunk: int, curved: bool = True):
        jax, rule = prepare_jax(), find_optimizer("adam")
        error = find_metric("mean_absolute_error").function
        metric = tuple((f"error-{place}", error) for place in range(metrics))
        cohort = Cohort(_layer(curved), find_loss("squared_error"), metric, None, (Segment(rule, lanes),) * segments)
        self.program, self.chunk, self._batch = Program(cohort, Layout(1, True, 1, chunk)), chunk, batch
        inputs, targets = np.ones((EXAMPLES, 4), np.float32), np.full((EXAMPLES, 3), 0.2, np.float32)
        own = {number.name: np.full(lanes, number.default, np.float32) for number in rule.numbers}
        numbers = jax.device_put((Numbers(own, {}, {}, {}),) * segments)
        keys = jax.numpy.stack([jax.random.key(0)])
        self._work = work = Work(numbers, *self.program.initial(keys), keys,
                                 Batches([BatchStream(BatchPolicy(batch), EXAMPLES, 0)], (batch,), False),
                                 jax.device_put(Data(inputs, targets)), hold_out({"validation": (inputs, targets)}),
                                 ("validation",), chunk, chunk, 1)
        state, advance = self.program.start(work.weights, work.variables, numbers), self.program.advance(batch)
        held = work.held_out["validation"].batches[0]
        self.program.evaluate.prepare(*self.program.evaluation.inputs(state, numbers), *held)
        advance.prepare(state, numbers, work.train, stretch(self.program, work, [], 0, chunk, batch), keys, np.int32(1))
        self._first: float | None = None
        given, gives = advance.leaves
        looked, told = self.program.evaluate.leaves
        self.arrays, self.fetched = given + gives, gives - len(jax.tree.leaves(state))
        self.look_arrays, self.look_fetched = looked + told, told

    @cached_property
    def costs(self) -> Costs:
        """What a step does."""
        return costs(self.program.advance(self._batch).text or "")

    def seconds(self, at_once: int, dispatches: int) -> Seconds:
        """The means of so many dispatches of each of ``at_once`` trainings side by side, and the first there was."""
        records = self._train(at_once, dispatches + 1)
        self._first = records[0].seconds["warmup"] if self._first is None else self._first
        chunk = sum(own.seconds["steady"] for own in records) / sum(own.steady_steps / self.chunk for own in records)
        look = sum(own.seconds["evaluate"] for own in records) / sum(len(own.evaluated) for own in records)
        return Seconds(self._first, chunk, look)

    def _train(self, at_once: int, dispatches: int) -> list[Records]:
        found: list[Records] = []

        def job() -> Iterator[Any]:
            work = replace(self._work, steps=dispatches * self.chunk)
            for _, records in chunks(self.program, work):  # noqa: B007  (the last counts)
                yield
            found.append(records)

        run_side_by_side([job] * at_once, at_once, lambda: None)
        return found
