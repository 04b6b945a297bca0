"""What goes with any schedule: a linear warm-up, and a rate that grows with a power of the number of workers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fallline.contracts import Clock, Hyperparameter, Schedule, positive
from fallline.schedules._hyperparameters import check_at_most_one, check_whole
from fallline.schedules._time import turns

RATE_HYPERPARAMETERS: tuple[Hyperparameter, ...] = (
    positive("warmup_steps", None, "steps in which the rate climbs to its height", optional=True),
    positive("warmup_epochs", None, "epochs in which the rate climbs to its height", optional=True),
    Hyperparameter("warmup_from", 0.0, low=0.0, high=1.0, meaning="factor at the first step of a warm-up"),
    Hyperparameter(
        "workers", 1.0, low=1.0, meaning="workers that share a step: the rate is multiplied by their number"
    ),
    Hyperparameter(
        "rate_power",
        1.0,
        low=0.0,
        high=1.0,
        meaning="the power of the workers that multiplies the rate: 1 their number, 0.5 its root, 0 a fixed rate",
    ),
)
"""Goyal et al., 2017, sections 2.1 and 2.2: the linear scaling rule and the gradual warm-up; the root is Krizhevsky's,
2014, section 5.
"""


def factors(schedule: Schedule, hyperparameters: Mapping[str, Any], clock: Clock) -> np.ndarray:
    """What multiplies the learning rate at each step of ``clock``: float64 [n].

    ``hyperparameters`` are full, as ``check_schedule`` gives them. The schedule's own factor is multiplied by a
    height, workers
    ** rate_power; in a warm-up of W steps or epochs instead by a line from ``warmup_from`` at t = 0 to it at t = W.
    """
    own = {number.name: hyperparameters[number.name] for number in schedule.hyperparameters}
    return np.asarray(schedule.factor(clock, **own), np.float64) * _climb(hyperparameters, clock)


def check_rate(hyperparameters: Mapping[str, Any], where: str) -> None:
    """StudyError or NumberError where the ``RATE_HYPERPARAMETERS`` do not fit together."""
    check_at_most_one("warmup_steps", "warmup_epochs")(hyperparameters, where)
    check_whole(hyperparameters, ("workers",), where)


def changes_rate(schedule: Schedule, hyperparameters: Mapping[str, Any]) -> bool:
    """Whether any step is taken at another rate than the learning rate."""
    warms_up = hyperparameters["warmup_steps"] is not None or hyperparameters["warmup_epochs"] is not None
    return schedule.name != "constant" or warms_up or hyperparameters["workers"] ** hyperparameters["rate_power"] != 1


def _climb(hyperparameters: Mapping[str, Any], clock: Clock) -> np.ndarray:
    """The part of warm-up and workers, float64 [n]."""
    start, height = hyperparameters["warmup_from"], hyperparameters["workers"] ** hyperparameters["rate_power"]
    if hyperparameters["warmup_steps"] is None and hyperparameters["warmup_epochs"] is None:
        return np.full(len(clock.steps), height)
    done = np.minimum(turns(clock, hyperparameters["warmup_steps"], hyperparameters["warmup_epochs"]), 1.0)
    return start + (height - start) * done
