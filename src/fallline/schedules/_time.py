"""Time on a clock, counted in steps, in epochs or in parts of the budget."""

from __future__ import annotations

import numpy as np

from fallline.contracts import Clock

NEAR = 1e-12
"""Relative. Epochs are fractions that binary numbers only nearly hold: 0.6 / 0.2 is 2.9999999999999996."""


def turns(clock: Clock, steps: float | None, epochs: float | None) -> np.ndarray:
    """How often a stretch of ``steps`` or of ``epochs`` has passed before each step, or the budget where both are None.

    float64 [n]: 0 before the first step, 1 after the whole stretch.
    """
    if steps is not None:
        return np.asarray(clock.steps, np.float64) / steps
    if epochs is not None:
        return np.asarray(clock.epochs, np.float64) / epochs
    return np.asarray(clock.steps, np.float64) / clock.total_steps


def begun(times: np.ndarray) -> np.ndarray:
    """The whole turns in ``times``, a turn that is full up to rounding counted as whole."""
    return np.floor(times * (1 + NEAR))


def ended(times: np.ndarray) -> np.ndarray:
    """The turn in which each of ``times`` lies, from 1; its end belongs to it."""
    return np.maximum(np.ceil(times * (1 - NEAR)), 1.0)
