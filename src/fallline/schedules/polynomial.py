"""Polynomial decay: from the rate to a small part of it along a power of the time that is left."""

from __future__ import annotations

import numpy as np

from fallline.contracts import Clock, Schedule, flag, positive
from fallline.schedules._hyperparameters import check_at_most_one, decay_epochs, decay_steps, end_factor
from fallline.schedules._time import ended, turns


def _factor(
    clock: Clock, decay_steps: float | None, decay_epochs: float | None, end_factor: float, power: float, cycle: float
) -> np.ndarray:
    """``(1 - e) (1 - t / T)^power + e``, float64 [n]; e holds after T, or with cycle T is as many T as reach t."""
    times = turns(clock, decay_steps, decay_epochs)
    done = np.minimum(times / ended(times) if cycle else times, 1.0)
    return (1 - end_factor) * (1 - done) ** power + end_factor


POLYNOMIAL = Schedule(
    name="polynomial",
    factor=_factor,
    hyperparameters=(
        decay_steps("steps until the rate has fallen to its end; the whole budget if nothing is said"),
        decay_epochs("epochs until the rate has fallen to its end; the whole budget if nothing is said"),
        end_factor(0.0001),
        positive("power", 1.0, "power of the time that is left: 1 is a straight line"),
        flag("cycle", False, "whether the rate rises again after the end, to fall in twice, three times ... the time"),
    ),
    check=check_at_most_one("decay_steps", "decay_epochs"),
    title="polynomial decay",
    equation="f = (1 - e) (1 - min(t, T) / T)^power + e;  cycle: T max(1, ceil(t / T)) for T",
    source="TensorFlow 1's polynomial_decay",
)
