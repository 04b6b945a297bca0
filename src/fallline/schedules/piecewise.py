"""Piecewise constant: one factor up to each boundary, the next one after it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from fallline.contracts import Clock, Hyperparameter, Schedule
from fallline.errors import HyperparameterError, StudyError
from fallline.schedules._hyperparameters import check_one_of
from fallline.schedules._time import NEAR


def _factor(
    clock: Clock,
    boundary_steps: tuple[float, ...] | None,
    boundary_epochs: tuple[float, ...] | None,
    factors: tuple[float, ...],
) -> np.ndarray:
    """The factor of the piece each step lies in, float64 [n]; a boundary belongs to the piece on its left."""
    time, boundaries = (clock.epochs, boundary_epochs) if boundary_steps is None else (clock.steps, boundary_steps)
    piece = np.searchsorted(np.asarray(boundaries) * (1 + NEAR), np.asarray(time, np.float64), side="left")
    return np.asarray(factors, np.float64)[piece]


def _check(hyperparameters: Mapping[str, Any], where: str) -> None:
    check_one_of("boundary_steps", "boundary_epochs")(hyperparameters, where)
    name = "boundary_steps" if hyperparameters["boundary_epochs"] is None else "boundary_epochs"
    boundaries, factors = hyperparameters[name], hyperparameters["factors"]
    if any(left >= right for left, right in pairwise(boundaries)):
        raise HyperparameterError(f"{name} must increase, got {list(boundaries)} ({where})")
    if len(factors) != len(boundaries) + 1:
        raise StudyError(
            f"factors must hold one number more than {name}, so {len(boundaries) + 1} of them, "
            f"got {len(factors)} ({where})"
        )


PIECEWISE = Schedule(
    name="piecewise",
    factor=_factor,
    hyperparameters=(
        Hyperparameter(
            "boundary_steps",
            None,
            low=0,
            low_open=True,
            optional=True,
            many=True,
            meaning="steps after which the next factor holds",
        ),
        Hyperparameter(
            "boundary_epochs",
            None,
            low=0,
            low_open=True,
            optional=True,
            many=True,
            meaning="epochs after which the next factor holds",
        ),
        Hyperparameter("factors", None, low=0, many=True, meaning="what the rate is multiplied by, one for each piece"),
    ),
    check=_check,
    title="piecewise constant",
    equation="f = factors[k], k = number of boundaries b with b < t",
    source="TensorFlow 1's piecewise_constant",
)
