"""Training one block, from its start or its checkpoint to its records."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Protocol

import numpy as np

from fallline.engine.devices import device_name
from fallline.engine.lanes import State
from fallline.engine.memory_use import Watch
from fallline.engine.training import Records, TrainingInputs, chunks
from fallline.errors import FalllineWarning
from fallline.store.checkpoint import Checkpoints, Unusable
from fallline.store.writing import RunWriter
from fallline.study import Target
from fallline.training import checkpointing
from fallline.training.cohort import CompiledCohort
from fallline.training.progress import ProgressCount
from fallline.training.records import curve_rows, predicted_rows, trial_rows, weight_rows


class BlockSession(Protocol):
    """What a block needs of its session: where to count its progress, and whether to stop."""

    stopping: bool
    count: ProgressCount
    shown: frozenset[str]
    alone: dict[str, float]
    watch: Watch


def train_block(
    ready: CompiledCohort,
    block: str,
    seeds: tuple[int, ...],
    writer: RunWriter,
    target: Target | None,
    session: BlockSession,
) -> Iterator[None]:
    """Train the block, pausing after every chunk, and write its records at the end.

    Where the session is stopping, the block writes a checkpoint and ends without records. Of the processes that share
    a row of devices, one writes.
    """
    row = ready.program.row
    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    work = ready.work(seeds)
    checkpoints = Checkpoints(writer.paths, block, [trial.name for trial in ready.planned.of_seeds(seeds)])
    pause = _checkpoint(checkpoints, ready, work)
    reached = diverged = 0
    for state, records in chunks(ready.program, work, pause):
        finished = records.diverged_at is not None
        step = work.steps if finished else int(state.step)
        now = _diverged(work, state, records)
        session.count.ended(now - diverged)
        session.count.advanced(ready, seeds, step - reached, records)
        reached, diverged = step, now
        if not finished:
            if row.agree(session.stopping):
                if row.leads:
                    checkpointing.save(checkpoints, state, records)
                return
            if row.leads:
                checkpointing.keep(checkpoints, state, records)
            yield
    if not row.leads:
        return
    trials = trial_rows(ready, seeds, records, block, target, session.shown)
    writer.write_block(
        block,
        trials,
        curve_rows(ready, seeds, records),
        predicted_rows(ready, seeds, records),
        weight_rows(ready, records, trials, session.count.metric),
        _timing(ready, block, seeds, work, records, started)
        | {"alone_seconds": session.alone.get(ready.planned.name), **session.watch.as_dict()},
    )
    checkpoints.remove()
    session.count.finished(records)


def _checkpoint(checkpoints: Checkpoints, ready: CompiledCohort, work: TrainingInputs) -> tuple[State, Records] | None:
    """The state and records in the checkpoint; None where there is none, or, with a warning, where it is unusable."""
    try:
        return checkpointing.load(checkpoints, ready.program, work)
    except Unusable as why:
        warnings.warn(f"block {checkpoints.block} starts again: its checkpoint {why}", FalllineWarning, stacklevel=2)
        return None


def _diverged(work: TrainingInputs, state: State, records: Records) -> int:
    """How many lanes have diverged so far; where lanes can also stop early, 0 until the end."""
    if records.diverged_at is not None:
        return int((records.diverged_at >= 0).sum())
    ended = np.concatenate([np.asarray(lanes.ended_at) for lanes in state.segments], axis=1)
    return int((ended >= 0).sum()) if work.stops is None else 0


def _timing(
    ready: CompiledCohort, block: str, seeds: tuple[int, ...], work: TrainingInputs, records: Records, started: str
) -> dict[str, Any]:
    """The times of the block. Tracing and compiling are those of the program, the same in all blocks that share it."""
    parts = ready.program.parts
    return {
        "block": block,
        "cohort": ready.planned.name,
        "device": device_name(),
        "started": started,
        "lanes": len(seeds) * ready.planned.lanes,
        "seeds": len(seeds),
        "steps": work.steps,
        "parameters": ready.weights,
        "trace_seconds": sum(part.trace_seconds for part in parts),
        "compile_seconds": sum(part.compile_seconds for part in parts),
        **{f"{name}_seconds": seconds for name, seconds in records.seconds.items()},
        "steady_steps": records.steady_steps,
        "predicted_memory_bytes": ready.program.memory_bytes,
        "widths": list(ready.widths),
        "layout": asdict(ready.layout),
    }
