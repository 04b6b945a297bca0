"""Cosine decay: half a wave from the rate down to its end."""

from __future__ import annotations

import numpy as np

from fallline.contracts import Clock, Schedule
from fallline.schedules._hyperparameters import check_at_most_one, decay_epochs, decay_steps, end_factor
from fallline.schedules._time import turns


def _factor(clock: Clock, decay_steps: float | None, decay_epochs: float | None, end_factor: float) -> np.ndarray:
    """``(1 - e) (1 + cos(pi t / T)) / 2 + e``, float64 [n]; e holds after T."""
    done = np.minimum(turns(clock, decay_steps, decay_epochs), 1.0)
    return (1 - end_factor) * (1 + np.cos(np.pi * done)) / 2 + end_factor


COSINE = Schedule(
    name="cosine",
    factor=_factor,
    hyperparameters=(
        decay_steps("steps until the rate has fallen to its end; the whole budget if nothing is said"),
        decay_epochs("epochs until the rate has fallen to its end; the whole budget if nothing is said"),
        end_factor(0.0),
    ),
    check=check_at_most_one("decay_steps", "decay_epochs"),
    title="cosine decay",
    equation="f = (1 - e) (1 + cos(pi min(t, T) / T)) / 2 + e",
    source="Loshchilov and Hutter, 2017, equation 5 without restarts; TensorFlow 1's cosine_decay",
)
