"""How long one trial takes with nothing beside it: measured before a cohort trains, for studies that ask for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from fallline.engine.training import train
from fallline.study.plan import PlannedCohort, rebuild
from fallline.training.cohort import CompiledCohort

MEASURED_SECONDS = 1.0
"""A trial that takes longer is measured for about so long and scaled."""


def seconds_alone(ready: CompiledCohort, make: Callable[[PlannedCohort], CompiledCohort]) -> float:
    """Seconds of one trial of this cohort in a program of its own, without compiling and without held-out data.

    Trials of a cohort differ in numbers and update rules; the first is measured, since the rules' shares of a step are
    small.
    """
    lone = make(rebuild(ready.planned.name, [[ready.planned.trials[0][0]]]))
    work = replace(lone.work(lone.blocks()[0]), watched=(), held_out={}, stops=None)
    train(lone.program, replace(work, steps=1))  # compiles
    steps, seconds = 0, 0.0
    while steps < work.steps and seconds < MEASURED_SECONDS:
        steps = min(work.steps, max(10, 10 * steps))
        begun = time.perf_counter()
        train(lone.program, replace(work, steps=steps))
        seconds = time.perf_counter() - begun
    return seconds * work.steps / steps
