"""Schedules: how the learning rate changes on the way. One idea a file; found by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fallline.contracts import Schedule, check_hyperparameters
from fallline.contracts.registry import find, parts
from fallline.schedules.scaling import RATE_HYPERPARAMETERS, check_rate


def schedules() -> dict[str, Schedule]:
    """Every schedule by name."""
    return parts(__name__, Schedule)


def find_schedule(name: str, where: str = "") -> Schedule:
    """The schedule of that name, or UnknownName with the near ones."""
    return find(__name__, Schedule, name, where)


def check_schedule(schedule: Schedule, hyperparameters: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """The full numbers of a schedule and of what goes with any (``scaling.RATE_HYPERPARAMETERS``), defaults filled in.

    UnknownName or NumberError for a number by itself, NumberError or StudyError where numbers do not fit together. A
    number that is None counts as left out.
    """
    given = {name: value for name, value in hyperparameters.items() if value is not None}
    full = check_hyperparameters(
        "schedule", schedule.name, (*schedule.hyperparameters, *RATE_HYPERPARAMETERS), given, where
    )
    place = f"{schedule.name}, {where}" if where else schedule.name
    if schedule.check is not None:
        schedule.check({number.name: full[number.name] for number in schedule.hyperparameters}, place)
    check_rate(full, place)
    return full
