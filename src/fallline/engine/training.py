"""Training the lanes of one program from the first step to the last: chunks on the device, records on the host."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import numpy as np

from fallline.engine.lanes import Data, Numbers, State
from fallline.engine.program import Program

EVALUATION_BATCH = 1000
"""Examples a dispatch when a split is evaluated."""


class HeldOut(NamedTuple):
    """A split on the device in batches of one size; ``counts`` [batch] is 0 for the examples that fill the last."""

    examples: int
    batches: tuple[tuple[Data, Any], ...]


@dataclass(frozen=True)
class Work:
    """What one program is to do, all on the host: numbers a segment, keys a seed, batches, when to look.

    ``batches(start, stop)`` gives the examples of those steps for every seed, int32 [seeds, stop - start, batch].
    Of the splits ``held_out``, those ``watched`` are evaluated every ``evaluate_every`` steps, all after the last.
    """

    numbers: tuple[Numbers, ...]
    keys: Any
    batches: Callable[[int, int], np.ndarray]
    train: Data
    held_out: dict[str, HeldOut]
    watched: tuple[str, ...]
    steps: int
    evaluate_every: int
    record_every: int


@dataclass
class Records:
    """What a block leaves behind, as arrays [points, seeds, lanes]; NaN where a lane had diverged.

    ``steps`` are the recorded steps of ``curves``; ``evaluated`` those of ``held_out``, split by split and metric.
    """

    steps: list[int] = field(default_factory=list)
    curves: dict[str, list[np.ndarray]] = field(default_factory=dict)
    evaluated: list[int] = field(default_factory=list)
    held_out: dict[str, list[np.ndarray]] = field(default_factory=dict)
    final: dict[str, np.ndarray] = field(default_factory=dict)
    diverged_at: np.ndarray | None = None
    seconds: dict[str, float] = field(default_factory=lambda: {"warmup": 0.0, "steady": 0.0, "evaluate": 0.0})
    steady_steps: int = 0


def chunks(program: Program, work: Work, begin: tuple[State, Records] | None = None) -> Iterator[tuple[State, Records]]:
    """Train all lanes of ``program`` for ``work.steps`` steps, with a pause after every chunk; the last is the end.

    Loss and metrics of step k are those of batch k before its update, so step 0 is the start and step ``work.steps``
    the end. ``begin`` goes on from a pause; what follows is bit for bit what would have followed then.
    """
    state, records = begin or (program.start(work.keys, work.numbers), Records())
    done = int(state.step)
    _look(program, work, state, records, done)
    while done < work.steps:
        ahead = min(program.layout.chunk, work.steps - done)
        if work.watched:
            ahead = min(ahead, work.evaluate_every - done % work.evaluate_every)
        state = _advance(program, work, state, records, done, ahead)
        done += ahead
        _look(program, work, state, records, done)
        if done == work.steps:
            _finish(program, work, state, records)
        yield state, records


def train(program: Program, work: Work) -> Records:
    """The records of ``work``, without a pause."""
    *_, (_, records) = chunks(program, work)
    return records


def _look(program: Program, work: Work, state: State, records: Records, step: int) -> None:
    """Evaluate the watched splits where it is time to."""
    due = step % work.evaluate_every == 0 or step == work.steps
    if work.watched and due and (not records.evaluated or records.evaluated[-1] < step):
        _evaluate(program, work, state, records, step)


def _advance(program: Program, work: Work, state: State, records: Records, done: int, ahead: int) -> State:
    """``ahead`` steps on; their records come back in one transfer."""
    batches = work.batches(done, done + program.layout.chunk)
    first = not records.steps
    program.advance.prepare(state, work.numbers, work.train, batches, np.int32(ahead))
    prepared = time.perf_counter()
    state, seen = program.advance(state, work.numbers, work.train, batches, np.int32(ahead))
    seen = jax.device_get(seen)
    ended = time.perf_counter()
    if first:
        records.seconds["warmup"] += ended - prepared
    else:
        records.seconds["steady"] += ended - prepared
        records.steady_steps += ahead
    kept = [i for i in range(ahead) if (done + i) % work.record_every == 0]
    records.steps += [done + i for i in kept]
    for name, values in seen.items():
        records.curves.setdefault(name, []).append(values[kept])
    return state


def _evaluate(program: Program, work: Work, state: State, records: Records, step: int) -> None:
    begun = time.perf_counter()
    records.evaluated.append(step)
    for split in work.watched:
        for name, values in evaluate(program, state, work.held_out[split]).items():
            records.held_out.setdefault(f"{split}_{name}", []).append(values)
    records.seconds["evaluate"] += time.perf_counter() - begun


def _finish(program: Program, work: Work, state: State, records: Records) -> None:
    """The last point of the curves and the values after the last step, then which lanes diverged, and when."""
    begun = time.perf_counter()
    records.final = {name: values[-1] for name, values in records.held_out.items()}
    for split in [name for name in work.held_out if name not in work.watched]:
        values = evaluate(program, state, work.held_out[split])
        records.final |= {f"{split}_{name}": value for name, value in values.items()}
    records.seconds["evaluate"] += time.perf_counter() - begun
    # One step more shows the loss after the last update. The weights it makes are thrown away, those it starts from
    # are not: advance takes its state over, so it gets a copy.
    state = jax.tree.map(jax.numpy.copy, state)
    batches = work.batches(work.steps, work.steps + program.layout.chunk)
    state, seen = program.advance(state, work.numbers, work.train, batches, np.int32(1))
    seen, diverged_at = jax.device_get((seen, state.diverged_at))
    records.steps.append(work.steps)
    for name, values in seen.items():
        records.curves[name].append(values[:1])
    records.diverged_at = np.concatenate(diverged_at, axis=1)
    _forget_after_divergence(records)


def _forget_after_divergence(records: Records) -> None:
    """Missing is missing: nothing a lane did after it diverged is a result."""
    gone = records.diverged_at >= 0

    def before(steps: list[int], values: np.ndarray) -> list[np.ndarray]:
        after = np.asarray(steps)[:, None, None] >= records.diverged_at
        return [np.where(gone & after, np.nan, values)]

    records.curves = {name: before(records.steps, np.concatenate(parts)) for name, parts in records.curves.items()}
    records.held_out = {name: before(records.evaluated, np.stack(parts)) for name, parts in records.held_out.items()}
    records.final = {name: np.where(gone, np.nan, values) for name, values in records.final.items()}


def evaluate(program: Program, state: State, held: HeldOut) -> dict[str, np.ndarray]:
    """Loss and metrics over a whole split, [seeds, lanes]."""
    total: dict[str, Any] = {}
    for examples, counts in held.batches:
        for name, values in program.evaluate(state, examples, counts).items():
            total[name] = total[name] + values if name in total else values
    sums = program.cohort.loss.reduce == "sum"
    return {name: np.asarray(values, np.float64) / (1 if name == "loss" and sums else held.examples)
            for name, values in jax.device_get(total).items()}


def hold_out(splits: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, HeldOut]:
    """Splits (inputs [n, ...], targets [n, ...]) ready for ``evaluate``; all in batches of the same size."""
    size = min(EVALUATION_BATCH, max((len(inputs) for inputs, _ in splits.values()), default=1))
    held = {}
    for name, (inputs, targets) in splits.items():
        batches = [_padded(inputs[first:first + size], targets[first:first + size], size)
                   for first in range(0, len(inputs), size)]
        held[name] = HeldOut(len(inputs), tuple(jax.device_put(batch) for batch in batches))
    return held


def _padded(inputs: np.ndarray, targets: np.ndarray, size: int) -> tuple[Data, np.ndarray]:
    """A batch of that size: the examples repeated at its end do not count."""
    short = size - len(inputs)
    rows = np.concatenate([np.arange(len(inputs)), np.zeros(short, np.int64)])
    counts = np.concatenate([np.ones(len(inputs), np.float32), np.zeros(short, np.float32)])
    return Data(inputs[rows], targets[rows]), counts


def stack_batches(streams: Sequence[Any], start: int, stop: int) -> np.ndarray:
    """The batches of several seeds' streams, int32 [seeds, stop - start, batch]."""
    return np.stack([stream.indices(start, stop) for stream in streams])
