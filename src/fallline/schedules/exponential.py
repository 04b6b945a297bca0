"""Exponential decay: the rate is multiplied by a number after each stretch of steps or epochs."""

from __future__ import annotations

import numpy as np

from fallline.contracts import Clock, Schedule, positive
from fallline.schedules._hyperparameters import check_one_of, decay_epochs, decay_steps, staircase
from fallline.schedules._time import begun, turns


def _factor(
    clock: Clock, decay_rate: float, decay_steps: float | None, decay_epochs: float | None, staircase: float
) -> np.ndarray:
    """``decay_rate^(t / T)``, float64 [n]; with staircase the power is rounded down."""
    times = turns(clock, decay_steps, decay_epochs)
    with np.errstate(over="ignore"):  # a rate that grows beyond all numbers is infinite, and the trial diverges
        return np.power(decay_rate, begun(times) if staircase else times)


EXPONENTIAL = Schedule(
    name="exponential",
    factor=_factor,
    hyperparameters=(
        positive("decay_rate", 0.96, "what the rate is multiplied by after each decay_steps or decay_epochs"),
        decay_steps("steps in which the rate is multiplied by decay_rate once"),
        decay_epochs("epochs in which the rate is multiplied by decay_rate once"),
        staircase(),
    ),
    check=check_one_of("decay_steps", "decay_epochs"),
    title="exponential decay",
    equation="f = decay_rate^(t / T);  staircase: f = decay_rate^floor(t / T)",
    source="TensorFlow 1's exponential_decay",
)
