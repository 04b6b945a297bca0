"""Exponential decay: the learning rate is multiplied by a constant after each period of steps or epochs."""

from __future__ import annotations

import numpy as np

from fallline.contracts import Clock
from fallline.contracts.declaring import Flag, OptionalPositive, Positive, schedule
from fallline.schedules._checks import check_one_of
from fallline.schedules._time import periods, whole_periods


@schedule(check_one_of("decay_steps", "decay_epochs"))
def exponential(
    clock: Clock,
    decay_rate: Positive = 0.96,
    decay_steps: OptionalPositive = None,
    decay_epochs: OptionalPositive = None,
    staircase: Flag = False,
) -> np.ndarray:
    """Exponential decay.

    t counts steps or epochs, T is ``decay_steps`` or ``decay_epochs``.

    Equation::

        f = decay_rate^(t / T);  staircase: f = decay_rate^floor(t / T)

    Args:
        decay_rate: factor of the learning rate per decay_steps or decay_epochs
        decay_steps: steps in which the learning rate is multiplied by decay_rate once
        decay_epochs: epochs in which the learning rate is multiplied by decay_rate once
        staircase: change the factor only after each whole decay_steps or decay_epochs

    Source: TensorFlow 1's exponential_decay
    """
    times = periods(clock, decay_steps, decay_epochs)
    with np.errstate(over="ignore"):  # a learning rate that overflows is infinite, and the trial diverges
        return np.power(decay_rate, whole_periods(times) if staircase else times)
