"""The constant schedule: the learning rate as it is given."""

from __future__ import annotations

import numpy as np

from fallline.contracts import Clock, Schedule


def _factor(clock: Clock) -> np.ndarray:
    """1 at every step, float64 [n]."""
    return np.ones(len(clock.steps))


CONSTANT = Schedule(
    name="constant",
    factor=_factor,
    title="constant rate",
    equation="f = 1",
    source="Robbins and Monro, 1951, without their decay",
)
