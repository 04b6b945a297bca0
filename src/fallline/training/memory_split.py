"""Splitting cohorts to fit the memory: before they run, by XLA's own analysis, and again where memory ran out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from fallline.engine.devices import planned_devices
from fallline.engine.memory import budget_bytes
from fallline.errors import StudyError
from fallline.study.plan import PlannedCohort, halves
from fallline.training.cohort import CompiledCohort

Make = Callable[..., CompiledCohort]
"""Makes a compiled cohort from a planned one, with a layout where one is given."""


def fit_to_memory(planned: PlannedCohort, make: Make) -> list[CompiledCohort]:
    """The cohort, or parts of it, each of which fits the memory; StudyError where a single trial does not.

    The memory of another machine is not known: there a cohort is split once its memory has run out.
    """
    ready = make(planned)
    if planned_devices() is not None:
        return [ready]
    budget, needed = budget_bytes(), ready.memory_bytes
    if budget is None or needed is None or needed <= budget:
        return [ready]
    if ready.layout.workers > 1 and needed <= budget * ready.layout.workers:
        return [make(planned, replace(ready.layout, workers=1))]
    parts = halves(planned)
    if len(parts) == 1:
        raise StudyError(
            f"task {planned.task.name}: one trial needs {needed / 1e9:.2f} GB, and programs may hold "
            f"{budget / 1e9:.2f} GB; use a smaller batch or model, or give more: FALLLINE_MEMORY_GB=..."
        )
    return [ready for part in parts for ready in fit_to_memory(part, make)]


def split_further(ready: CompiledCohort, planned: PlannedCohort, make: Make) -> list[CompiledCohort]:
    """A cohort whose memory ran out, as parts that need less; StudyError where it cannot be split."""
    parts = halves(planned)
    if len(parts) > 1:
        return [make(part) for part in parts]
    if ready.layout.workers > 1:
        return [make(planned, replace(ready.layout, workers=1))]
    raise StudyError(
        f"task {planned.task.name}: the memory ran out with a single trial in training; use a smaller "
        "batch or model. Finished work is kept; continue with the same command and --resume"
    )
