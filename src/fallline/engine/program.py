"""The compiled program of a cohort: make the initial state, advance by a chunk of steps, evaluate."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from dataclasses import asdict, dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from fallline.engine.compiled import Compiled
from fallline.engine.devices import matmul_precision
from fallline.engine.evaluation import Evaluated, Evaluation
from fallline.engine.lanes import Batch, Cohort, DeviceData, LaneHyperparameters, Lanes, State, StepInputs
from fallline.engine.mesh import ALONE, DeviceRow, Mesh
from fallline.engine.step import Record, start, step
from fallline.models.convolution import lowered


@dataclass(frozen=True)
class Layout:
    """How a cohort is executed. It changes speed, and results only by rounding.

    ``seeds``: seeds per program; further runs of the program train the rest. ``wide``: one gradient pass over all
    segments. ``workers``: programs that run concurrently. ``chunk``: steps per dispatch. ``loop``: the steps of a chunk
    are a loop inside the program, or are dispatched one by one: convolutions inside a loop run without threads on the
    CPU. ``lowering``: how convolutions are computed; empty: chosen for each layer. ``trial`` rows of ``data`` devices
    are the mesh that programs run on, one program per row.
    """

    seeds: int
    wide: bool
    workers: int
    chunk: int
    loop: bool = True
    lowering: str = ""
    trial: int = 1
    data: int = 1

    @property
    def mesh(self) -> Mesh:
        return Mesh(self.trial, self.data)

    def on(self, mesh: Mesh) -> Layout:
        """The same layout on another mesh."""
        workers = self.workers if mesh == self.mesh else mesh.trial
        return replace(self, workers=workers, trial=mesh.trial, data=mesh.data)


class Program:
    """One cohort, compiled for one layout and one row of devices.

    Each function is traced once, ``advance`` once per batch width. A program of one lane whose steps are dispatched one
    by one carries its state ``bare``: without the dimensions of seeds and lanes (except in ``ended_at``). XLA reuses
    the memory of a donated argument only where nothing reshapes it; else it copies all weights and optimizer state at
    every step, which takes 10 to 30 ms with 3 million weights.
    """

    def __init__(
        self,
        cohort: Cohort,
        layout: Layout,
        row: DeviceRow = ALONE,
        evaluation: Evaluation | None = None,
        task: str | None = None,
    ):
        """``evaluation`` is that of another program with the same ``evaluates_as``; else one is made. ``task`` is the
        name of the task where all components of the cohort are built in, so that traced programs may be kept on disk.
        """
        self.cohort, self.layout, self.row = cohort, layout, row
        # Compiled for JAX's default device; the result is then moved to the row.
        self.weights = Compiled(self.make_weights)
        self.thin, self.bare = _is_thin(cohort, layout), _is_bare(cohort, layout)
        self._everywhere = row.everywhere if row.data > 1 else None
        self.start = Compiled(self.start_state, everywhere=self._everywhere)
        how = f"{layout.seeds} seeds, {layout.lowering}"
        self.evaluation = evaluation or Evaluation(
            cohort,
            layout.lowering,
            self.thin,
            row,
            self.bare,
            task and f"evaluate {task} {Evaluated.of(cohort).words} {how}",
        )
        self.start_shapes: Any = None  # of initial weights, model state and keys, after the first use
        self.state_shapes: Any = None  # of the state that is carried from step to step
        self._name = task and f"advance {task} {_words(cohort)} {asdict(replace(layout, workers=1, trial=1))}"
        self._advances: dict[int, Compiled] = {}
        self._lock = threading.Lock()

    @property
    def parts(self) -> tuple[Compiled, ...]:
        return self.weights, self.start, *self._advances.values(), self.evaluate

    @property
    def evaluate(self) -> Compiled:
        """``(*evaluation.inputs(state, hyperparameters), examples, counts) -> sums``."""
        return self.evaluation.compiled

    @classmethod
    def evaluates_as(cls, cohort: Cohort, layout: Layout, row: DeviceRow = ALONE) -> Hashable:
        """What its evaluation depends on: programs with the same value may share one evaluation."""
        bare = _is_bare(cohort, layout)
        return Evaluated.of(cohort), layout.seeds, layout.lowering, _is_thin(cohort, layout), bare, row

    @property
    def traces(self) -> int:
        """How often a function was traced: at most three times, and once per batch width."""
        return sum(part.traces for part in self.parts)

    @property
    def memory_bytes(self) -> int | None:
        """The peak memory of the largest program by XLA's own analysis; None before compiling, or where there is
        none."""
        return max((part.memory_bytes for part in self.parts if part.memory_bytes), default=None)

    def initial(self, keys: Array) -> tuple[Any, Any]:
        """Initial weights and model state of ``layout.seeds`` seeds, one key each: leaves [seeds, ...]."""
        return self.row.put(self.weights(keys) if self.cohort.model.traceable else self.make_weights(keys))

    def make_weights(self, keys: Array) -> tuple[Any, Any]:
        """The function that ``initial`` compiles."""
        model = self.cohort.model

        def initial(key: Array) -> tuple[Any, Any]:
            return model.init(key), model.start_state(key)

        if model.traceable and len(keys) > 1:  # a loop: unrolled, many seeds take seconds to compile
            return jax.lax.map(initial, keys)
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *[initial(key) for key in keys])

    def start_state(self, weights: Any, model_state: Any, hyperparameters: tuple[LaneHyperparameters, ...]) -> State:
        """The state of ``layout.seeds`` seeds before the first step, from weights and model state [seeds, ...]."""
        if self.layout.seeds == 1:
            state = _stack(
                [start(self.cohort, hyperparameters, *jax.tree.map(lambda leaf: leaf[0], (weights, model_state)))]
            )
            return _bare(state) if self.bare else state
        states = jax.lax.map(lambda seed: start(self.cohort, hyperparameters, *seed), (weights, model_state))
        return states._replace(step=states.step[0])

    def advance(self, width: int) -> Compiled:
        """``(state, hyperparameters, train, inputs, keys, steps) -> (state, record)`` for batches of that width."""
        with self._lock:
            if width not in self._advances:
                self._advances[width] = Compiled(
                    self._advance,
                    donate=(0,),
                    thin=self.thin,
                    everywhere=self._everywhere,
                    name=self._name,
                    carries=True,
                )
            return self._advances[width]

    def _advance(
        self,
        state: State,
        hyperparameters: tuple[LaneHyperparameters, ...],
        train: DeviceData,
        inputs: StepInputs,
        keys: Array,
        steps: Array,
    ) -> tuple[State, Record]:
        """The state ``steps`` steps later (at most a chunk), and the record of each step: [chunk, seeds, lanes].

        ``keys`` [seeds] are the keys of each seed's noise; the step is folded in. A ``bare`` state stays bare.
        """

        def one_seed(state: State, chosen: Array, size: Array | None, factors: Array | None, key: Array) -> Any:
            counts = None
            if self.cohort.masked:
                counts = (jnp.arange(chosen.shape[0]) < size).astype(jnp.float32)
            noise = jax.random.fold_in(key, state.step)
            inputs, targets, counts = self.row.share((train.inputs[chosen], train.targets[chosen], counts))
            batch = Batch(inputs, targets, counts, factors, noise)
            with lowered(self.layout.lowering), matmul_precision(self.cohort.precision):
                return step(self.cohort, self.layout.wide, hyperparameters, batch, state)

        if self.layout.seeds == 1:
            # A single seed has no seed dimension inside the loop, and a single lane no lane dimension: the dimensions
            # would make matmuls slow and weights be copied.
            lone = _without_ended_dimensions(state) if self.bare else _without_lanes(_seed(state, 0))
            inputs, key = _seed_of(inputs, 0), keys[0]

            def lone_step(state: State, *seen: Any) -> tuple[State, Record]:
                state, record = one_seed(_in_lanes(self.cohort, state), *seen, key)
                return _without_lanes(state), record

            lone, records = self._steps(lone_step, lone, inputs, steps)
            state = _with_ended_dimensions(lone) if self.bare else _stack([_in_lanes(self.cohort, lone)])
            return state, {name: values[:, None] for name, values in records.items()}
        turned = (None if part is None else part.swapaxes(0, 1) for part in (inputs.batches, inputs.factors))
        inputs = StepInputs(next(turned), inputs.sizes, next(turned))
        axes, factors = State(0, None), None if inputs.factors is None else 0
        each_seed = jax.vmap(one_seed, in_axes=(axes, 0, None, factors, 0), out_axes=(axes, 0))
        return self._steps(lambda *seen: each_seed(*seen, keys), state, inputs, steps)

    def shaped(self, state: State) -> State:
        """The state with leaves [seeds, lanes, ...], also where the program carries it ``bare``."""
        return _shaped(state) if self.bare else state

    def _steps(self, one_step: Any, state: State, inputs: StepInputs, steps: Array) -> tuple[State, Record]:
        """``one_step`` over the first ``steps`` of ``inputs`` [chunk, ...], with the record of each step."""

        def at(i: Any) -> tuple[Any, ...]:
            return tuple(None if part is None else part[i] for part in inputs)

        if not self.layout.loop:
            state, record = one_step(state, *at(0))
            return state, {name: value[None] for name, value in record.items()}

        def next_step(i: Array, carried: tuple[State, Record]) -> tuple[State, Record]:
            state, records = carried
            state, record = one_step(state, *at(i))
            return state, {name: records[name].at[i].set(value) for name, value in record.items()}

        shapes = jax.eval_shape(one_step, state, *at(0))[1]
        records = {name: jnp.zeros((self.layout.chunk, *shape.shape), shape.dtype) for name, shape in shapes.items()}
        return jax.lax.fori_loop(0, steps, next_step, (state, records))


def _words(cohort: Cohort) -> str:
    """The cohort as text, with the names of its components."""
    segments = [(segment.optimizer.name, segment.lanes) for segment in cohort.segments]
    metrics = [name for name, _ in cohort.metrics]
    named = cohort._replace(
        model=cohort.model.name,
        loss=cohort.loss.name,
        metrics=metrics,
        prepare=None,
        segments=segments,
        regularisers=sorted(cohort.regularisers),
    )
    *common, split_metrics = named
    return str((*common, [name for name, _ in split_metrics]) if split_metrics else tuple(common))


def _is_thin(cohort: Cohort, layout: Layout) -> bool:
    return layout.loop and cohort.lanes > 1


def _is_bare(cohort: Cohort, layout: Layout) -> bool:
    return not layout.loop and layout.seeds == 1 and all(segment.lanes == 1 for segment in cohort.segments)


def _seed(state: State, seed: int) -> State:
    return State(jax.tree.map(lambda leaf: leaf[seed], state.segments), state.step)


def _without_lanes(state: State) -> State:
    """A state of one seed, segments of one lane without their lane dimension."""

    def without(lanes: Lanes) -> Lanes:
        alone = lanes.ended_at.shape[0] == 1
        return jax.tree.map(lambda leaf: leaf[0], lanes) if alone else lanes

    return state._replace(segments=tuple(without(lanes) for lanes in state.segments))


def _in_lanes(cohort: Cohort, state: State) -> State:
    """The inverse of ``_without_lanes``."""
    segments = (
        jax.tree.map(lambda leaf: leaf[None], lanes) if segment.lanes == 1 else lanes
        for segment, lanes in zip(cohort.segments, state.segments, strict=True)
    )
    return state._replace(segments=tuple(segments))


def _without_ended_dimensions(state: State) -> State:
    """A bare state as it is inside the program: ``ended_at`` without its dimensions too."""
    return state._replace(segments=tuple(lanes._replace(ended_at=lanes.ended_at[0, 0]) for lanes in state.segments))


def _with_ended_dimensions(state: State) -> State:
    """The inverse of ``_without_ended_dimensions``."""
    return state._replace(
        segments=tuple(lanes._replace(ended_at=lanes.ended_at[None, None]) for lanes in state.segments)
    )


def _bare(state: State) -> State:
    """A state of one lane without the dimensions of seeds and lanes."""
    return _with_ended_dimensions(State(jax.tree.map(lambda leaf: leaf[0, 0], state.segments), state.step))


def _shaped(state: State) -> State:
    """The inverse of ``_bare``."""
    return State(jax.tree.map(lambda leaf: leaf[None, None], _without_ended_dimensions(state).segments), state.step)


def _seed_of(inputs: StepInputs, seed: int) -> StepInputs:
    return inputs._replace(
        batches=inputs.batches[seed], factors=None if inputs.factors is None else inputs.factors[seed]
    )


def _stack(states: list[State]) -> State:
    """States of single seeds, which are at the same step, as one state."""
    segments = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(state.segments for state in states))
    return State(segments, states[0].step)
