"""Cohorts cut to the memory there is: before they run by XLA's own numbers, on the way where it ran out after all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from fallline.engine.devices import planned_devices
from fallline.engine.memory import budget_bytes
from fallline.errors import StudyError
from fallline.study.plan import PlannedCohort, halves
from fallline.training.cohort import CompiledCohort

Make = Callable[..., CompiledCohort]
"""From a planned cohort, and a layout where one is given, to a ready one."""


def fitting(planned: PlannedCohort, make: Make) -> list[CompiledCohort]:
    """The cohort as one that fits, or as parts that do; StudyError where a single trial does not.

    What another machine holds is not known here: it says so when its memory runs out.
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
    return [ready for part in parts for ready in fitting(part, make)]


def smaller(ready: CompiledCohort, planned: PlannedCohort, make: Make) -> list[CompiledCohort]:
    """What is left of a cohort whose memory ran out, as parts that need less; StudyError where there are none."""
    parts = halves(planned)
    if len(parts) > 1:
        return [make(part) for part in parts]
    if ready.layout.workers > 1:
        return [make(planned, replace(ready.layout, workers=1))]
    raise StudyError(
        f"task {planned.task.name}: the memory ran out with a single trial in training; use a smaller "
        "batch or model. What was done is kept: go on with the same command and --resume"
    )
