"""Time on a clock, in steps, in epochs or in fractions of the budget."""

from __future__ import annotations

import numpy as np

from fallline.contracts import Clock

NEAR = 1e-12
"""Relative. Epochs are fractions that binary floats hold only nearly: 0.6 / 0.2 is 2.9999999999999996."""


def periods(clock: Clock, steps: float | None, epochs: float | None) -> np.ndarray:
    """How many periods of ``steps`` or ``epochs`` have passed before each step; of the budget where both are None.

    float64 [n]: 0 before the first step, 1 after one whole period.
    """
    if steps is not None:
        return np.asarray(clock.steps, np.float64) / steps
    if epochs is not None:
        return np.asarray(clock.epochs, np.float64) / epochs
    return np.asarray(clock.steps, np.float64) / clock.total_steps


def whole_periods(times: np.ndarray) -> np.ndarray:
    """The whole periods in ``times``; one that is complete up to rounding counts."""
    return np.floor(times * (1 + NEAR))


def current_period(times: np.ndarray) -> np.ndarray:
    """The period of each of ``times``, from 1; its end belongs to it."""
    return np.maximum(np.ceil(times * (1 - NEAR)), 1.0)
