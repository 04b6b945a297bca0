"""Inverse time decay: the rate falls as one over the time that has passed."""

from __future__ import annotations

import numpy as np

from fallline.contracts import Clock, Schedule, nonnegative
from fallline.schedules._hyperparameters import check_one_of, decay_epochs, decay_steps, staircase
from fallline.schedules._time import begun, turns


def _factor(
    clock: Clock, decay_rate: float, decay_steps: float | None, decay_epochs: float | None, staircase: float
) -> np.ndarray:
    """``1 / (1 + decay_rate t / T)``, float64 [n]; with staircase t / T is rounded down."""
    times = turns(clock, decay_steps, decay_epochs)
    return 1 / (1 + decay_rate * (begun(times) if staircase else times))


INVERSE_TIME = Schedule(
    name="inverse_time",
    factor=_factor,
    hyperparameters=(
        nonnegative("decay_rate", 0.5, "how much the divisor of the rate grows in each decay_steps or decay_epochs"),
        decay_steps("steps in which the divisor grows by decay_rate"),
        decay_epochs("epochs in which the divisor grows by decay_rate"),
        staircase(),
    ),
    check=check_one_of("decay_steps", "decay_epochs"),
    title="inverse time decay",
    equation="f = 1 / (1 + decay_rate t / T);  staircase: f = 1 / (1 + decay_rate floor(t / T))",
    source="Robbins and Monro, 1951; TensorFlow 1's inverse_time_decay",
)
