"""Inverse time decay: the learning rate falls as one over the time that has passed."""

from __future__ import annotations

import numpy as np

from fallline.contracts import Clock
from fallline.contracts.declaring import Flag, Nonnegative, OptionalPositive, schedule
from fallline.schedules._checks import check_one_of
from fallline.schedules._time import periods, whole_periods


@schedule(check_one_of("decay_steps", "decay_epochs"))
def inverse_time(
    clock: Clock,
    decay_rate: Nonnegative = 0.5,
    decay_steps: OptionalPositive = None,
    decay_epochs: OptionalPositive = None,
    staircase: Flag = False,
) -> np.ndarray:
    """Inverse time decay.

    t counts steps or epochs, T is ``decay_steps`` or ``decay_epochs``.

    Equation::

        f = 1 / (1 + decay_rate t / T);  staircase: f = 1 / (1 + decay_rate floor(t / T))

    Args:
        decay_rate: growth of the learning rate's divisor per decay_steps or decay_epochs
        decay_steps: steps in which the divisor grows by decay_rate
        decay_epochs: epochs in which the divisor grows by decay_rate
        staircase: change the factor only after each whole decay_steps or decay_epochs

    Source: Robbins and Monro, 1951; TensorFlow 1's inverse_time_decay
    """
    times = periods(clock, decay_steps, decay_epochs)
    return 1 / (1 + decay_rate * (whole_periods(times) if staircase else times))
