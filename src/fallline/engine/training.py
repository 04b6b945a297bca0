"""Training the lanes of one program from the first step to the last: chunks run on the device, records are kept on the
host."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from fallline.engine.batches import Batches
from fallline.engine.evaluation import HeldOut, Outcome
from fallline.engine.lanes import ALIVE, DeviceData, LaneHyperparameters, State, StepInputs
from fallline.engine.program import Program

TAIL_STEPS, TAIL_SHARE = 500, 10
"""The tail of a run, whose mean loss is kept: its last 500 steps, or its last tenth where that is less."""

Evaluations = list[np.ndarray]
"""The validation loss at each evaluation so far, each [seeds, lanes]."""


@dataclass(frozen=True)
class TrainingInputs:
    """What one program trains on, all on the host: hyperparameters per segment, batches, when to evaluate.

    ``weights``, ``model_state`` and ``noise`` (the key of each seed's noise) have a leading axis of seeds. Of the
    splits ``held_out`` those ``watched`` are evaluated every ``evaluate_every`` steps, all after the last step.
    ``factors(start, stop, evaluations)`` float64 [seeds, stop - start, lanes] multiply the learning rates, and
    ``stops(evaluations)`` bool [seeds, lanes] says which lanes stop early; None where there are none. With
    ``keeps_weights`` the final weights are part of the records. ``start_key`` identifies initial weights and data:
    programs with the same key have the same evaluation before the first step; None where it is unknown.
    """

    hyperparameters: tuple[LaneHyperparameters, ...]
    weights: Any
    model_state: Any
    noise: Any
    batches: Batches
    train: DeviceData
    held_out: dict[str, HeldOut]
    watched: tuple[str, ...]
    steps: int
    evaluate_every: int
    record_every: int
    factors: Callable[[int, int, Evaluations], np.ndarray] | None = None
    stops: Callable[[Evaluations], np.ndarray] | None = None
    keeps_weights: bool = False
    start_key: Hashable = None


@dataclass
class Records:
    """The records of a block, as arrays [points, seeds, lanes]; NaN after a lane has ended.

    ``steps`` are the recorded steps of ``curves``; ``evaluated`` those of ``held_out``, by split and metric.
    ``predicted`` [seeds, lanes, examples] are the predicted classes of each split after the last step. ``stopped_at``
    and ``diverged_at`` [seeds, lanes] are -1 where a lane did neither. ``tail`` [steps, seeds, lanes] is the training
    loss of the last steps, ``tail_mean`` [seeds, lanes] its mean at the end. ``weights`` are the final weights of the
    lanes, or their averages, leaves [seeds, lanes, ...], where they are kept, and ``model_state`` the model's state.
    """

    steps: list[int] = field(default_factory=list)
    curves: dict[str, list[np.ndarray]] = field(default_factory=dict)
    evaluated: list[int] = field(default_factory=list)
    held_out: dict[str, list[np.ndarray]] = field(default_factory=dict)
    final: dict[str, np.ndarray] = field(default_factory=dict)
    predicted: dict[str, np.ndarray] = field(default_factory=dict)
    tail: np.ndarray | None = None
    tail_mean: np.ndarray | None = None
    weights: Any = None
    model_state: Any = None
    stopped_at: np.ndarray | None = None
    diverged_at: np.ndarray | None = None
    seconds: dict[str, float] = field(default_factory=lambda: {"warmup": 0.0, "steady": 0.0, "evaluate": 0.0})
    steady_steps: int = 0

    @property
    def evaluations(self) -> Evaluations:
        return self.held_out.get("validation_loss", [])


def begin(program: Program, work: TrainingInputs) -> tuple[State, Records]:
    """The state before the first step, and nothing recorded."""
    return program.start(work.weights, work.model_state, work.hyperparameters), Records()


def chunks(
    program: Program, work: TrainingInputs, pause: tuple[State, Records] | None = None
) -> Iterator[tuple[State, Records]]:
    """Train all lanes of ``program`` for ``work.steps`` steps, and yield state and records after every chunk.

    Loss and metrics of step k are those of batch k before its update: step 0 is the start and step ``work.steps`` the
    end, which comes sooner where every lane has ended. Continuing from a ``pause`` gives bit for bit the same results
    as training without it. The last state is one step further than the end.
    """
    state, records = pause or begin(program, work)
    done = int(state.step)
    state = _evaluate_if_due(program, work, state, records, done)
    while True:
        over = done == work.steps or (done > 0 and not _alive(state))
        if over:
            yield _finish(program, work, state, records, done), records
            return
        ahead, width = work.batches.ahead(done, min(program.layout.chunk, work.steps - done))
        if work.watched:
            ahead = min(ahead, work.evaluate_every - done % work.evaluate_every)
        state = _advance(program, work, state, records, done, ahead, width)
        done += ahead
        state = _evaluate_if_due(program, work, state, records, done)
        yield state, records


def train(program: Program, work: TrainingInputs) -> Records:
    """The records of ``work``, without a pause."""
    *_, (_, records) = chunks(program, work)
    return records


def step_inputs(
    program: Program, work: TrainingInputs, evaluations: Evaluations, start: int, stop: int, width: int
) -> StepInputs:
    """The inputs of these steps, padded to the length of a dispatch."""
    room = program.layout.chunk if program.layout.loop else 1
    factors = None
    if program.cohort.scheduled:
        assert work.factors is not None, "a scheduled cohort has factors"
        known = work.factors(start, stop, evaluations)
        factors = np.ones((known.shape[0], room, known.shape[2]), np.float32)
        factors[:, : stop - start] = known
    return StepInputs(work.batches.indices(start, stop, width, room), work.batches.sizes(start, stop, room), factors)


def _alive(state: State) -> bool:
    return any(bool((np.asarray(lanes.ended_at) == ALIVE).any()) for lanes in state.segments)


def _evaluate_if_due(program: Program, work: TrainingInputs, state: State, records: Records, step: int) -> State:
    """Evaluate the watched splits where it is due, and end the lanes that stop early."""
    due = step % work.evaluate_every == 0 or step == work.steps
    if not work.watched or not due or (records.evaluated and records.evaluated[-1] >= step):
        return state
    started = time.perf_counter()
    records.evaluated.append(step)
    for split in work.watched:
        values_by_name, predicted = _evaluated(program, work, state, split, step)
        for name, values in values_by_name.items():
            records.held_out.setdefault(f"{split}_{name}", []).append(values)
        if predicted is not None:
            records.predicted[split] = predicted
    records.seconds["evaluate"] += time.perf_counter() - started
    return state if work.stops is None or step == work.steps else _end(state, work.stops(records.evaluations), step)


def _evaluated(program: Program, work: TrainingInputs, state: State, split: str, step: int) -> Outcome:
    """The evaluation of a split now; before the first step it is shared by all programs with the same start."""
    held = work.held_out[split]
    if step == 0 and work.start_key is not None:
        return program.evaluation.at_start(state, work.hyperparameters, held, (work.start_key, split))
    return program.evaluation.over(state, work.hyperparameters, held)


def _end(state: State, enough: np.ndarray, step: int) -> State:
    """The state with the lanes ``enough`` [seeds, lanes] ended at this step, where they had not ended before."""
    segments, first = [], 0
    for lanes in state.segments:
        stopped = enough[:, first : first + lanes.ended_at.shape[1]]
        first += stopped.shape[1]
        ended_at = np.where(stopped & (np.asarray(lanes.ended_at) == ALIVE), step, np.asarray(lanes.ended_at))
        segments.append(lanes._replace(ended_at=np.asarray(ended_at, np.int32)))
    return state._replace(segments=tuple(segments))


def _advance(
    program: Program, work: TrainingInputs, state: State, records: Records, done: int, ahead: int, width: int
) -> State:
    """Train ``ahead`` more steps; their records come back in one transfer."""
    inputs = _dispatches(program, work, records.evaluations, done, ahead, width)
    advance = program.advance(width)
    advance.prepare(state, work.hyperparameters, work.train, inputs[0][0], work.noise, np.int32(1))
    first, started = not records.steps, time.perf_counter()
    parts = []
    for chunk, steps in inputs:
        state, record = advance(state, work.hyperparameters, work.train, chunk, work.noise, np.int32(steps))
        if not program.layout.loop:
            jax.block_until_ready(record)  # every step in a queue would hold memory
        parts.append(record)
    parts = jax.device_get(parts)
    ended = time.perf_counter()
    if first:
        records.seconds["warmup"] += ended - started
    else:
        records.seconds["steady"] += ended - started
        records.steady_steps += ahead
    kept = [i for i in range(ahead) if (done + i) % work.record_every == 0]
    records.steps += [done + i for i in kept]
    for name in parts[0]:
        values = np.concatenate([part[name] for part in parts])[:ahead]
        records.curves.setdefault(name, []).append(values[kept])
        if name == "loss":
            before = values[:0] if records.tail is None else records.tail
            records.tail = np.concatenate([before, values])[-tail_steps(work.steps) :]
    return state


def tail_steps(steps: int) -> int:
    """The number of steps in the tail of a run."""
    return max(1, min(TAIL_STEPS, steps // TAIL_SHARE))


def _dispatches(
    program: Program, work: TrainingInputs, evaluations: Evaluations, done: int, ahead: int, width: int
) -> list:
    """The inputs and the number of steps of each dispatch: one dispatch, or one per step without a loop."""
    if program.layout.loop:
        return [(step_inputs(program, work, evaluations, done, done + ahead, width), ahead)]
    return [(step_inputs(program, work, evaluations, done + i, done + i + 1, width), 1) for i in range(ahead)]


def _finish(program: Program, work: TrainingInputs, state: State, records: Records, done: int) -> State:
    """The last point of the curves and the evaluation after the last step, then which lanes ended, and when.

    One extra step measures the loss after the last update. It takes over the memory of the state: what is kept of the
    state is copied before.
    """
    started = time.perf_counter()
    records.final = {name: values[-1] for name, values in records.held_out.items()}
    for split, held in work.held_out.items():
        known = not program.cohort.classifies or split in records.predicted
        if split in work.watched and records.evaluated[-1:] == [done] and known:
            continue
        values, predicted = program.evaluation.over(state, work.hyperparameters, held)
        records.final |= {f"{split}_{name}": value for name, value in values.items()}
        if predicted is not None:
            records.predicted[split] = predicted
    records.seconds["evaluate"] += time.perf_counter() - started
    if work.keeps_weights:
        segments = program.shaped(state).segments
        records.weights = _joined([lanes.weights if lanes.average is None else lanes.average for lanes in segments])
        records.model_state = _joined([lanes.model_state for lanes in segments])
    ended_at = np.concatenate([np.asarray(lanes.ended_at) for lanes in state.segments], axis=1)
    after = work.batches.after(done)
    _, width = work.batches.ahead(after, 1)
    last = step_inputs(program, work, records.evaluations, after, after + 1, width)
    state, record = program.advance(width)(state, work.hyperparameters, work.train, last, work.noise, np.int32(1))
    record, after = jax.device_get((record, [lanes.ended_at for lanes in state.segments]))
    if records.steps[-1:] != [done]:
        records.steps.append(done)
        for name, values in record.items():
            records.curves.setdefault(name, []).append(values[:1])
    _separate_ended(work, records, ended_at, np.concatenate(after, axis=1))
    _mean_of_tail(records, done)
    _mask_after_the_end(records)
    return state


def _joined(segments: list[Any]) -> Any:
    """The lanes of all segments in one array, on the host."""
    return jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=1), *jax.device_get(segments))


def _mean_of_tail(records: Records, done: int) -> None:
    """The mean loss of the last steps before ``done``; for a stopped lane only of those before it stopped."""
    assert records.stopped_at is not None and records.diverged_at is not None and records.tail is not None
    steps = np.arange(done - len(records.tail), done)[:, None, None]
    counts = (records.diverged_at < 0) & ((records.stopped_at < 0) | (steps < records.stopped_at))
    with np.errstate(invalid="ignore"):
        sums = np.where(counts, records.tail, 0.0).sum(axis=0, dtype=np.float64)
        records.tail_mean = sums / counts.sum(axis=0)


def _separate_ended(work: TrainingInputs, records: Records, before: np.ndarray, after: np.ndarray) -> None:
    """Which lanes were stopped and which diverged: the stopping rule is applied again to each evaluation."""
    stopped = np.full(before.shape, ALIVE)
    if work.stops is not None:
        for number, step in enumerate(records.evaluated):
            ends = work.stops(records.evaluations[: number + 1]) & (before == step) & (step < work.steps)
            stopped = np.where(ends, step, stopped)
    records.stopped_at = stopped
    records.diverged_at = np.where(stopped == ALIVE, after, ALIVE)


def _mask_after_the_end(records: Records) -> None:
    """Set to NaN what a lane recorded from its divergence on, or after it was stopped: none of it is a result."""
    assert records.diverged_at is not None and records.stopped_at is not None
    gone, stopped = records.diverged_at >= 0, records.stopped_at >= 0

    def before(steps: list[int], values: np.ndarray) -> list[np.ndarray]:
        at = np.asarray(steps)[:, None, None]
        return [np.where((gone & (at >= records.diverged_at)) | (stopped & (at > records.stopped_at)), np.nan, values)]

    records.curves = {name: before(records.steps, np.concatenate(parts)) for name, parts in records.curves.items()}
    records.held_out = {name: before(records.evaluated, np.stack(parts)) for name, parts in records.held_out.items()}
    records.final = {name: np.where(gone, np.nan, values) for name, values in records.final.items()}
