"""What goes with any schedule: a linear warm-up, and a rate that grows with a power of the number of workers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fallline.contracts import Clock, Number, Schedule, positive
from fallline.schedules._numbers import check_at_most_one, check_whole
from fallline.schedules._time import turns

RATE_NUMBERS: tuple[Number, ...] = (
    positive("warmup_steps", None, "steps in which the rate climbs to its height", optional=True),
    positive("warmup_epochs", None, "epochs in which the rate climbs to its height", optional=True),
    Number("warmup_from", 0.0, low=0.0, high=1.0, meaning="factor at the first step of a warm-up"),
    Number("workers", 1.0, low=1.0, meaning="workers that share a step: the rate is multiplied by their number"),
    Number(
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


def factors(schedule: Schedule, numbers: Mapping[str, Any], clock: Clock) -> np.ndarray:
    """What multiplies the learning rate at each step of ``clock``: float64 [n].

    ``numbers`` are full, as ``check_schedule`` gives them. The schedule's own factor is multiplied by a height, workers
    ** rate_power; in a warm-up of W steps or epochs instead by a line from ``warmup_from`` at t = 0 to it at t = W.
    """
    own = {number.name: numbers[number.name] for number in schedule.numbers}
    return np.asarray(schedule.factor(clock, **own), np.float64) * _climb(numbers, clock)


def check_rate(numbers: Mapping[str, Any], where: str) -> None:
    """StudyError or NumberError where the ``RATE_NUMBERS`` do not fit together."""
    check_at_most_one("warmup_steps", "warmup_epochs")(numbers, where)
    check_whole(numbers, ("workers",), where)


def changes_rate(schedule: Schedule, numbers: Mapping[str, Any]) -> bool:
    """Whether any step is taken at another rate than the learning rate."""
    warms_up = numbers["warmup_steps"] is not None or numbers["warmup_epochs"] is not None
    return schedule.name != "constant" or warms_up or numbers["workers"] ** numbers["rate_power"] != 1


def _climb(numbers: Mapping[str, Any], clock: Clock) -> np.ndarray:
    """The part of warm-up and workers, float64 [n]."""
    start, height = numbers["warmup_from"], numbers["workers"] ** numbers["rate_power"]
    if numbers["warmup_steps"] is None and numbers["warmup_epochs"] is None:
        return np.full(len(clock.steps), height)
    done = np.minimum(turns(clock, numbers["warmup_steps"], numbers["warmup_epochs"]), 1.0)
    return start + (height - start) * done
