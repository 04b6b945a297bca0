"""Cosine decay: half a cosine wave from the learning rate down to its end."""

from __future__ import annotations

import numpy as np

from fallline.contracts import Clock
from fallline.contracts.declaring import Nonnegative, OptionalPositive, schedule
from fallline.schedules._checks import check_at_most_one
from fallline.schedules._time import periods


@schedule(check_at_most_one("decay_steps", "decay_epochs"))
def cosine(
    clock: Clock,
    decay_steps: OptionalPositive = None,
    decay_epochs: OptionalPositive = None,
    end_factor: Nonnegative = 0.0,
) -> np.ndarray:
    """Cosine decay.

    t counts steps or epochs, T is ``decay_steps``, ``decay_epochs`` or the whole budget, e is ``end_factor``, which
    holds after T.

    Equation::

        f = (1 - e) (1 + cos(pi min(t, T) / T)) / 2 + e

    Args:
        decay_steps: length of the decay in steps; default: the whole budget
        decay_epochs: length of the decay in epochs; default: the whole budget
        end_factor: factor of the learning rate at the end

    Source: Loshchilov and Hutter, 2017, equation 5 without restarts; TensorFlow 1's cosine_decay
    """
    done = np.minimum(periods(clock, decay_steps, decay_epochs), 1.0)
    return (1 - end_factor) * (1 + np.cos(np.pi * done)) / 2 + end_factor
