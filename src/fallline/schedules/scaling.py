"""What goes with any schedule: a linear warm-up, and a learning rate scaled by a power of the number of workers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fallline.contracts import Clock, Hyperparameter, Schedule, positive
from fallline.schedules._checks import check_at_most_one, check_whole
from fallline.schedules._time import periods

RATE_HYPERPARAMETERS: tuple[Hyperparameter, ...] = (
    positive("warmup_steps", None, "length of the warm-up to the peak learning rate in steps", optional=True),
    positive("warmup_epochs", None, "length of the warm-up to the peak learning rate in epochs", optional=True),
    Hyperparameter("warmup_from", 0.0, low=0.0, high=1.0, meaning="factor of the learning rate where a warm-up starts"),
    Hyperparameter("workers", 1.0, low=1.0, meaning="workers that share a step: they scale the learning rate"),
    Hyperparameter(
        "rate_power",
        1.0,
        low=0.0,
        high=1.0,
        meaning="power of the workers that scales the learning rate: 1 is linear scaling, 0.5 the square root, 0 none",
    ),
)
"""Goyal et al., 2017, sections 2.1 and 2.2: linear scaling and gradual warm-up; the square root: Krizhevsky, 2014,
section 5.
"""


def factors(schedule: Schedule, hyperparameters: Mapping[str, Any], clock: Clock) -> np.ndarray:
    """What multiplies the learning rate at each step of ``clock``: float64 [n].

    ``hyperparameters`` are complete, as ``check_schedule`` returns them. The schedule's factor is multiplied by the
    peak, workers ** rate_power; in a warm-up of W steps or epochs by a line from ``warmup_from`` at t = 0 to the peak
    at t = W.
    """
    of_schedule = {law.name: hyperparameters[law.name] for law in schedule.hyperparameters}
    return np.asarray(schedule.factor(clock, **of_schedule), np.float64) * _warmup(hyperparameters, clock)


def check_rate(hyperparameters: Mapping[str, Any], where: str) -> None:
    """StudyError or HyperparameterError where the ``RATE_HYPERPARAMETERS`` do not fit together."""
    check_at_most_one("warmup_steps", "warmup_epochs")(hyperparameters, where)
    check_whole(hyperparameters, ("workers",), where)


def changes_rate(schedule: Schedule, hyperparameters: Mapping[str, Any]) -> bool:
    """Whether the learning rate of any step differs from the one that is given."""
    warms_up = hyperparameters["warmup_steps"] is not None or hyperparameters["warmup_epochs"] is not None
    return schedule.name != "constant" or warms_up or hyperparameters["workers"] ** hyperparameters["rate_power"] != 1


def _warmup(hyperparameters: Mapping[str, Any], clock: Clock) -> np.ndarray:
    """The factor of warm-up and workers, float64 [n]."""
    start, peak = hyperparameters["warmup_from"], hyperparameters["workers"] ** hyperparameters["rate_power"]
    if hyperparameters["warmup_steps"] is None and hyperparameters["warmup_epochs"] is None:
        return np.full(len(clock.steps), peak)
    done = np.minimum(periods(clock, hyperparameters["warmup_steps"], hyperparameters["warmup_epochs"]), 1.0)
    return start + (peak - start) * done
