"""The time of one trial that runs alone, measured before its cohort trains, for studies that ask for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from fallline.engine.training import train
from fallline.study.plan import PlannedCohort, rebuild
from fallline.training.cohort import CompiledCohort

MEASURED_SECONDS = 1.0
"""A trial that takes longer is timed for about this long, and the time is extrapolated."""


def seconds_alone(ready: CompiledCohort, make: Callable[[PlannedCohort], CompiledCohort]) -> float:
    """Seconds of one trial of this cohort in a program of its own, without compilation and without evaluation.

    Trials of a cohort differ in hyperparameters and optimizers; the first trial is timed, since the optimizer takes a
    small part of a step.
    """
    single = make(rebuild(ready.planned.name, [[ready.planned.trials[0][0]]]))
    work = replace(single.work(single.blocks()[0]), watched=(), held_out={}, stops=None)
    train(single.program, replace(work, steps=1))  # compiles
    steps, seconds = 0, 0.0
    while steps < work.steps and seconds < MEASURED_SECONDS:
        steps = min(work.steps, max(10, 10 * steps))
        begun = time.perf_counter()
        train(single.program, replace(work, steps=steps))
        seconds = time.perf_counter() - begun
    return seconds * work.steps / steps
