"""Learning rate schedules: each a function that returns a ``Schedule``, with the hyperparameters it is given fixed.

>>> import fallline
>>> schedule = fallline.schedules.cosine(end_factor=0.1)
>>> schedule(total_steps=3).round(3).tolist()
[1.0, 0.775, 0.325]

In a study a schedule is written as it is, or by its name in TOML; there it also has a warm-up and the scaling with
workers of ``fallline.schedules.scaling``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fallline.contracts import Schedule, check_hyperparameters
from fallline.contracts.declaring import declared_components, find_component
from fallline.schedules.constant import constant
from fallline.schedules.cosine import cosine
from fallline.schedules.exponential import exponential
from fallline.schedules.inverse_time import inverse_time
from fallline.schedules.one_cycle import one_cycle
from fallline.schedules.piecewise import piecewise
from fallline.schedules.polynomial import polynomial
from fallline.schedules.reduce_on_plateau import reduce_on_plateau
from fallline.schedules.scaling import RATE_HYPERPARAMETERS, check_rate

__all__ = [
    "builtin_schedules",
    "check_schedule",
    "constant",
    "cosine",
    "exponential",
    "find_schedule",
    "inverse_time",
    "one_cycle",
    "piecewise",
    "polynomial",
    "reduce_on_plateau",
]


def builtin_schedules() -> dict[str, Schedule]:
    """Every schedule by name."""
    return declared_components(__name__, Schedule)


def find_schedule(name: str, where: str = "") -> Schedule:
    """The schedule of that name, ``cosine`` or ``cosine(end_factor=0.1)``; UnknownName with similar names where there
    is none.

    ``where`` is the place in a study that an error names.
    """
    return find_component(__name__, Schedule, name, where)


def check_schedule(schedule: Schedule, hyperparameters: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """All hyperparameters of a schedule and those that every schedule has (``scaling.RATE_HYPERPARAMETERS``), defaults
    filled in. A value of None counts as not given.

    UnknownName or HyperparameterError for a single value, HyperparameterError or StudyError where values do not fit
    together.
    """
    given = {name: value for name, value in hyperparameters.items() if value is not None}
    full = check_hyperparameters(
        "schedule", schedule.name, (*schedule.hyperparameters, *RATE_HYPERPARAMETERS), given, where
    )
    place = f"{schedule.name}, {where}" if where else schedule.name
    if schedule.check is not None:
        names = [hyperparameter.name for hyperparameter in schedule.hyperparameters]
        schedule.check({name: full[name] for name in names}, place)
    check_rate(full, place)
    return full
