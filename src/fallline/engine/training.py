"""Training the lanes of one program from the first step to the last: chunks on the device, records on the host."""

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
"""The tail of a run, whose mean loss is kept: so many of its last steps, or its last tenth where that is less."""

Evaluations = list[np.ndarray]
"""The validation loss at each look so far, each [seeds, lanes]."""


@dataclass(frozen=True)
class TrainingInputs:
    """What one program is to do, all on the host: numbers a segment, batches, when to look.

    ``weights`` and ``model_state`` have a leading axis of seeds, as ``noise`` has, the key of each seed's noise. Of the
    splits ``held_out``, those ``watched`` are evaluated every ``evaluate_every`` steps, all after the last.
    ``factors(start, stop, evaluations)`` float64 [seeds, stop - start, lanes] multiply the learning rates; ``stops(evaluations)``
    bool [seeds, lanes] says which lanes have trained enough. None where there is nothing of the kind. With
    ``keeps_weights`` the weights at the end are part of the records. ``beginning`` names the weights and the data: two
    works with the same one begin alike, and are evaluated once before the first step; None where nothing is known.
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
    beginning: Hashable = None


@dataclass
class Records:
    """What a block leaves behind, as arrays [points, seeds, lanes]; NaN where a lane had ended.

    ``steps`` are the recorded steps of ``curves``; ``evaluated`` those of ``held_out``, split by split and metric.
    ``predicted`` [seeds, lanes, examples] is what each example of a split was taken for after the last step.
    ``stopped_at`` and ``diverged_at`` [seeds, lanes] are -1 where a lane did neither. ``tail`` [steps, seeds, lanes]
    is the training loss of the last steps, and in the end ``tail_mean`` [seeds, lanes] its mean. ``weights`` are what
    the lanes ended with, or their averages, leaves [seeds, lanes, ...], where they are kept.
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
    """Train all lanes of ``program`` for ``work.steps`` steps, with a pause after every chunk; the last is the end.

    Loss and metrics of step k are those of batch k before its update, so step 0 is the start and step ``work.steps``
    the end, which comes sooner where every lane has ended. Going on from a ``pause`` gives bit for bit what would have
    followed then. The last state is a step further than the end.
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
    """What the program sees of those steps, filled up to the length of a dispatch."""
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
    """Evaluate the watched splits where it is time to, and end the lanes that have trained enough."""
    due = step % work.evaluate_every == 0 or step == work.steps
    if not work.watched or not due or (records.evaluated and records.evaluated[-1] >= step):
        return state
    started = time.perf_counter()
    records.evaluated.append(step)
    for split in work.watched:
        seen, predicted = _evaluated(program, work, state, split, step)
        for name, values in seen.items():
            records.held_out.setdefault(f"{split}_{name}", []).append(values)
        if predicted is not None:
            records.predicted[split] = predicted
    records.seconds["evaluate"] += time.perf_counter() - started
    return state if work.stops is None or step == work.steps else _end(state, work.stops(records.evaluations), step)


def _evaluated(program: Program, work: TrainingInputs, state: State, split: str, step: int) -> Outcome:
    """A split as the lanes take it now; before the first step, as all do that begin so."""
    held = work.held_out[split]
    if step == 0 and work.beginning is not None:
        return program.evaluation.at_start(state, work.hyperparameters, held, (work.beginning, split))
    return program.evaluation.over(state, work.hyperparameters, held)


def _end(state: State, enough: np.ndarray, step: int) -> State:
    """The state with those lanes [seeds, lanes] ended at this step, where they had not ended before."""
    segments, first = [], 0
    for lanes in state.segments:
        own = enough[:, first : first + lanes.ended_at.shape[1]]
        first += own.shape[1]
        ended_at = np.where(own & (np.asarray(lanes.ended_at) == ALIVE), step, np.asarray(lanes.ended_at))
        segments.append(lanes._replace(ended_at=np.asarray(ended_at, np.int32)))
    return state._replace(segments=tuple(segments))


def _advance(
    program: Program, work: TrainingInputs, state: State, records: Records, done: int, ahead: int, width: int
) -> State:
    """``ahead`` steps on; their records come back in one transfer."""
    inputs = _dispatches(program, work, records.evaluations, done, ahead, width)
    advance = program.advance(width)
    advance.prepare(state, work.hyperparameters, work.train, inputs[0][0], work.noise, np.int32(1))
    first, started = not records.steps, time.perf_counter()
    parts = []
    for seen, steps in inputs:
        state, record = advance(state, work.hyperparameters, work.train, seen, work.noise, np.int32(steps))
        if not program.layout.loop:
            jax.block_until_ready(record)  # every step that waits in a queue holds memory of its own
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
    """How many of the last steps of a run are its tail."""
    return max(1, min(TAIL_STEPS, steps // TAIL_SHARE))


def _dispatches(
    program: Program, work: TrainingInputs, evaluations: Evaluations, done: int, ahead: int, width: int
) -> list:
    """What each dispatch of the next steps sees, and how many steps it takes: one, or one a step without a loop."""
    if program.layout.loop:
        return [(step_inputs(program, work, evaluations, done, done + ahead, width), ahead)]
    return [(step_inputs(program, work, evaluations, done + i, done + i + 1, width), 1) for i in range(ahead)]


def _finish(program: Program, work: TrainingInputs, state: State, records: Records, done: int) -> State:
    """The last point of the curves and the values after the last step, then which lanes ended, and when.

    One step more shows the loss after the last update. It takes the state over: what is kept of it is copied before.
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
        records.weights = _joined(
            [lanes.weights if lanes.average is None else lanes.average for lanes in program.shaped(state).segments]
        )
    ended_at = np.concatenate([np.asarray(lanes.ended_at) for lanes in state.segments], axis=1)
    after = work.batches.after(done)
    _, width = work.batches.ahead(after, 1)
    last = step_inputs(program, work, records.evaluations, after, after + 1, width)
    state, seen = program.advance(width)(state, work.hyperparameters, work.train, last, work.noise, np.int32(1))
    seen, after = jax.device_get((seen, [lanes.ended_at for lanes in state.segments]))
    if records.steps[-1:] != [done]:
        records.steps.append(done)
        for name, values in seen.items():
            records.curves.setdefault(name, []).append(values[:1])
    _tell_apart(work, records, ended_at, np.concatenate(after, axis=1))
    _mean_of_tail(records, done)
    _forget_after_the_end(records)
    return state


def _joined(segments: list[Any]) -> Any:
    """The lanes of all segments side by side, on the host."""
    return jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=1), *jax.device_get(segments))


def _mean_of_tail(records: Records, done: int) -> None:
    """The mean loss of the last steps before ``done``; of a stopped lane those before it stopped."""
    assert records.stopped_at is not None and records.diverged_at is not None and records.tail is not None
    steps = np.arange(done - len(records.tail), done)[:, None, None]
    counts = (records.diverged_at < 0) & ((records.stopped_at < 0) | (steps < records.stopped_at))
    with np.errstate(invalid="ignore"):
        sums = np.where(counts, records.tail, 0.0).sum(axis=0, dtype=np.float64)
        records.tail_mean = sums / counts.sum(axis=0)


def _tell_apart(work: TrainingInputs, records: Records, before: np.ndarray, after: np.ndarray) -> None:
    """Which lanes were stopped and which diverged: the rule that stops them is asked again, look by look."""
    stopped = np.full(before.shape, ALIVE)
    if work.stops is not None:
        for number, step in enumerate(records.evaluated):
            said = work.stops(records.evaluations[: number + 1]) & (before == step) & (step < work.steps)
            stopped = np.where(said, step, stopped)
    records.stopped_at = stopped
    records.diverged_at = np.where(stopped == ALIVE, after, ALIVE)


def _forget_after_the_end(records: Records) -> None:
    """Missing is missing: nothing a lane did after it diverged is a result, nor a point after it was stopped."""
    assert records.diverged_at is not None and records.stopped_at is not None
    gone, stopped = records.diverged_at >= 0, records.stopped_at >= 0

    def before(steps: list[int], values: np.ndarray) -> list[np.ndarray]:
        at = np.asarray(steps)[:, None, None]
        return [np.where((gone & (at >= records.diverged_at)) | (stopped & (at > records.stopped_at)), np.nan, values)]

    records.curves = {name: before(records.steps, np.concatenate(parts)) for name, parts in records.curves.items()}
    records.held_out = {name: before(records.evaluated, np.stack(parts)) for name, parts in records.held_out.items()}
    records.final = {name: np.where(gone, np.nan, values) for name, values in records.final.items()}
