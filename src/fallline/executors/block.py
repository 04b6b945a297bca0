"""One block from its first chunk, or its checkpoint, to its records."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Protocol

import numpy as np

from fallline.engine.devices import device_name
from fallline.engine.training import Records, Work, chunks
from fallline.executors import resting
from fallline.executors.cohort import ReadyCohort
from fallline.executors.records import curve_rows, trial_rows
from fallline.store.checkpoint import Checkpoints
from fallline.store.writing import RunWriter
from fallline.study import Target


class Session(Protocol):
    """Who a block tells of its progress, and who may ask it to stop."""

    stopping: bool

    def advanced(self, trial_steps: int, diverged: int) -> None: ...


def train_block(ready: ReadyCohort, block: str, seeds: tuple[int, ...], writer: RunWriter, target: Target | None,
                session: Session) -> Iterator[None]:
    """Train the block, pausing after every chunk, and write its records at the end.

    Where the session stops, the block keeps a checkpoint and ends without records.
    """
    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    work, checkpoints = ready.work(seeds), Checkpoints(writer.paths, block)
    begin = resting.load(checkpoints, ready.program, work)
    lanes, reached, lost = len(seeds) * ready.planned.lanes, 0, 0
    for state, records in chunks(ready.program, work, begin):
        step, diverged = int(state.step), int(sum((np.asarray(part) >= 0).sum() for part in state.diverged_at))
        session.advanced(lanes * (step - reached), diverged - lost)
        reached, lost = step, diverged
        if reached < work.steps:
            if session.stopping:
                resting.save(checkpoints, state, records)
                return
            resting.keep(checkpoints, state, records)
            yield
    writer.write_block(block, trial_rows(ready, seeds, records, block, target), curve_rows(ready, seeds, records),
                       _timing(ready, block, seeds, work, records, started))
    checkpoints.remove()


def _timing(ready: ReadyCohort, block: str, seeds: tuple[int, ...], work: Work, records: Records,
            started: str) -> dict[str, Any]:
    """What the block cost. Tracing and compiling are the cohort's, the same in all its blocks."""
    parts = ready.program.parts
    return {"block": block, "cohort": ready.planned.name, "device": device_name(), "started": started,
            "lanes": len(seeds) * ready.planned.lanes, "seeds": len(seeds), "steps": work.steps,
            "parameters": ready.weights, "trace_seconds": sum(part.trace_seconds for part in parts),
            "compile_seconds": sum(part.compile_seconds for part in parts),
            **{f"{name}_seconds": seconds for name, seconds in records.seconds.items()},
            "steady_steps": records.steady_steps, "predicted_memory_bytes": ready.program.advance.memory_bytes,
            "layout": asdict(ready.layout)}
