"""One cycle: up to the learning rate in the first part of the budget, down to almost nothing in the rest."""

from __future__ import annotations

import numpy as np

from fallline.contracts import Clock, Hyperparameter, Schedule, flag, nonnegative
from fallline.schedules._hyperparameters import end_factor
from fallline.schedules._time import turns


def _factor(clock: Clock, rise_fraction: float, start_factor: float, end_factor: float, linear: float) -> np.ndarray:
    """From ``start_factor`` to 1 over ``rise_fraction`` of the budget, then to ``end_factor``: float64 [n]."""
    done = np.minimum(turns(clock, None, None), 1.0)
    rise, fall = np.minimum(done / rise_fraction, 1.0), np.maximum(done - rise_fraction, 0.0) / (1 - rise_fraction)
    if not linear:
        rise, fall = (1 - np.cos(np.pi * rise)) / 2, (1 - np.cos(np.pi * fall)) / 2
    return np.where(done < rise_fraction, start_factor + (1 - start_factor) * rise, 1 - (1 - end_factor) * fall)


ONE_CYCLE = Schedule(
    name="one_cycle",
    factor=_factor,
    hyperparameters=(
        Hyperparameter(
            "rise_fraction",
            0.3,
            low=0,
            high=1,
            low_open=True,
            high_open=True,
            meaning="part of the budget in which the rate rises to learning_rate",
        ),
        nonnegative("start_factor", 0.04, "factor at the first step"),
        end_factor(0.0001),
        flag("linear", False, "whether the rate goes along straight lines rather than half waves of a cosine"),
    ),
    title="one cycle",
    equation="f = s + (1 - s) h(p / r) where p < r, else 1 - (1 - e) h((p - r) / (1 - r));  "
    "p = min(t, T) / T;  h(q) = (1 - cos(pi q)) / 2, linear: h(q) = q",
    source="Smith and Topin, 2019; cosine pieces: PyTorch's OneCycleLR",
)
