"""Reduce on plateau: the rate falls each time the validation loss has not got better for a while."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fallline.contracts import Clock, Hyperparameter, Schedule, nonnegative
from fallline.schedules._hyperparameters import check_whole


def _factor(clock: Clock, **hyperparameters: float) -> np.ndarray:
    """1 at every step, float64 [n]: what changes the rate is seen, not known beforehand."""
    return np.ones(len(clock.steps))


def _watching(
    values: np.ndarray, plateau_factor: float, patience: float, threshold: float, cooldown: float, min_factor: float
) -> float:
    """The factor in force after the last of ``values``, the validation loss at each look, float64 [looks].

    nan is a look at which nothing was seen; it counts for nothing. An infinite loss is one that is not better.
    """
    factor, best, bad, resting = 1.0, np.inf, 0, 0
    for value in np.asarray(values, np.float64):
        if np.isnan(value):
            continue
        if value < best and (best == np.inf or value < best - threshold * abs(best)):
            best, bad = value, 0
        else:
            bad += 1
        if resting > 0:
            resting, bad = resting - 1, 0
        if bad > patience:
            factor, resting, bad = max(factor * plateau_factor, min_factor), int(cooldown), 0
    return factor


def _check(hyperparameters: Mapping[str, Any], where: str) -> None:
    check_whole(hyperparameters, ("patience", "cooldown"), where)


REDUCE_ON_PLATEAU = Schedule(
    name="reduce_on_plateau",
    factor=_factor,
    hyperparameters=(
        Hyperparameter(
            "plateau_factor",
            0.1,
            low=0,
            high=1,
            low_open=True,
            high_open=True,
            meaning="what the rate is multiplied by on a plateau",
        ),
        nonnegative("patience", 10, "looks without a better loss that are let pass"),
        Hyperparameter(
            "threshold",
            1e-4,
            low=0,
            high=1,
            high_open=True,
            meaning="how much less than the best a loss must be to count as better, as a part of the best",
        ),
        nonnegative("cooldown", 0, "looks after a fall that count for nothing"),
        Hyperparameter("min_factor", 0.0, low=0, high=1, meaning="factor below which the rate does not fall"),
    ),
    watching=_watching,
    check=_check,
    title="reduce on plateau",
    equation="better: v < best - threshold abs(best), then best = v;  "
    "f = max(plateau_factor f, min_factor) after more than patience looks in a row that are not better;  "
    "f = 1, best = infinity at the start",
    source="PyTorch's ReduceLROnPlateau, threshold_mode rel",
)
