"""Piecewise constant: one factor up to each boundary, the next one after it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from fallline.contracts import Clock
from fallline.contracts.declaring import NO_DEFAULT, Nonnegatives, OptionalPositives, schedule
from fallline.errors import HyperparameterError, StudyError
from fallline.schedules._checks import check_one_of
from fallline.schedules._time import NEAR


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


@schedule(_check)
def piecewise(
    clock: Clock,
    boundary_steps: OptionalPositives = None,
    boundary_epochs: OptionalPositives = None,
    factors: Nonnegatives = NO_DEFAULT,
) -> np.ndarray:
    """Piecewise constant.

    t counts steps or epochs; a boundary belongs to the piece before it.

    Equation::

        f = factors[k], k = number of boundaries b with b < t

    Args:
        boundary_steps: steps after which the next factor applies
        boundary_epochs: epochs after which the next factor applies
        factors: factors of the learning rate, one for each piece

    Source: TensorFlow 1's piecewise_constant
    """
    time, boundaries = (clock.epochs, boundary_epochs) if boundary_steps is None else (clock.steps, boundary_steps)
    piece = np.searchsorted(np.asarray(boundaries) * (1 + NEAR), np.asarray(time, np.float64), side="left")
    return np.asarray(factors, np.float64)[piece]
