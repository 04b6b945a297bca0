"""Reduce on plateau: the learning rate falls each time the validation loss has not improved for a while."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fallline.contracts import Clock
from fallline.contracts.declaring import ClosedFraction, Fraction, Nonnegative, OpenFraction, adaptive_schedule
from fallline.schedules._checks import check_whole


def _ones(clock: Clock, **hyperparameters: float) -> np.ndarray:
    """1 at every step, float64 [n]: the changes follow from the losses, which are not known beforehand."""
    return np.ones(len(clock.steps))


def _check(hyperparameters: Mapping[str, Any], where: str) -> None:
    check_whole(hyperparameters, ("patience", "cooldown"), where)


@adaptive_schedule(_ones, _check)
def reduce_on_plateau(
    losses: np.ndarray,
    plateau_factor: OpenFraction = 0.1,
    patience: Nonnegative = 10,
    threshold: Fraction = 1e-4,
    cooldown: Nonnegative = 0,
    min_factor: ClosedFraction = 0.0,
) -> float:
    """Reduce on plateau.

    The factor after the last of ``losses``, the validation loss v at each evaluation, float64 [evaluations]. nan means
    that there was no evaluation, and is ignored. An infinite loss is never better.

    Equation::

        better: v < best - threshold abs(best), then best = v;
        f = max(plateau_factor f, min_factor) after more than patience evaluations in a row that are not better;
        f = 1, best = infinity at the start

    Args:
        plateau_factor: factor of the learning rate at a plateau
        patience: evaluations without a better loss that are tolerated
        threshold: relative improvement from which a loss counts as better
        cooldown: evaluations after a reduction that are not counted
        min_factor: smallest factor of the learning rate

    Source: PyTorch's ReduceLROnPlateau, threshold_mode rel
    """
    factor, best, not_better, cooling = 1.0, np.inf, 0, 0
    for value in np.asarray(losses, np.float64):
        if np.isnan(value):
            continue
        if value < best and (best == np.inf or value < best - threshold * abs(best)):
            best, not_better = value, 0
        else:
            not_better += 1
        if cooling > 0:
            cooling, not_better = cooling - 1, 0
        if not_better > patience:
            factor, cooling, not_better = max(factor * plateau_factor, min_factor), int(cooldown), 0
    return factor
