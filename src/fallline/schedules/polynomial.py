"""Polynomial decay: from the learning rate to a small part of it along a power of the time that is left."""

from __future__ import annotations

import numpy as np

from fallline.contracts import Clock
from fallline.contracts.declaring import Flag, Nonnegative, OptionalPositive, Positive, schedule
from fallline.schedules._checks import check_at_most_one
from fallline.schedules._time import current_period, periods


@schedule(check_at_most_one("decay_steps", "decay_epochs"))
def polynomial(
    clock: Clock,
    decay_steps: OptionalPositive = None,
    decay_epochs: OptionalPositive = None,
    end_factor: Nonnegative = 0.0001,
    power: Positive = 1.0,
    cycle: Flag = False,
) -> np.ndarray:
    """Polynomial decay.

    t counts steps or epochs, T is ``decay_steps``, ``decay_epochs`` or the whole budget, e is ``end_factor``, which
    holds after T.

    Equation::

        f = (1 - e) (1 - min(t, T) / T)^power + e;  cycle: T max(1, ceil(t / T)) for T

    Args:
        decay_steps: length of the decay in steps; default: the whole budget
        decay_epochs: length of the decay in epochs; default: the whole budget
        end_factor: factor of the learning rate at the end
        power: power of the remaining time; 1 is a straight line
        cycle: restart after each end, with a decay to two, three, ... times its length

    Source: TensorFlow 1's polynomial_decay
    """
    times = periods(clock, decay_steps, decay_epochs)
    done = np.minimum(times / current_period(times) if cycle else times, 1.0)
    return (1 - end_factor) * (1 - done) ** power + end_factor
