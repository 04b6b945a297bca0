"""One cycle: the learning rate rises in the first part of the budget and decays to almost nothing in the rest."""

from __future__ import annotations

import numpy as np

from fallline.contracts import Clock
from fallline.contracts.declaring import Flag, Nonnegative, OpenFraction, schedule
from fallline.schedules._time import periods


@schedule()
def one_cycle(
    clock: Clock,
    rise_fraction: OpenFraction = 0.3,
    start_factor: Nonnegative = 0.04,
    end_factor: Nonnegative = 0.0001,
    linear: Flag = False,
) -> np.ndarray:
    """One cycle.

    t counts steps, T is the budget, r is ``rise_fraction``, s is ``start_factor``, e is ``end_factor``.

    Equation::

        f = s + (1 - s) h(p / r) where p < r, else 1 - (1 - e) h((p - r) / (1 - r));
        p = min(t, T) / T;  h(q) = (1 - cos(pi q)) / 2, linear: h(q) = q

    Args:
        rise_fraction: fraction of the budget in which the factor rises to 1
        start_factor: factor of the learning rate at the first step
        end_factor: factor of the learning rate at the end
        linear: rise and fall along straight lines, not along half cosine waves

    Source: Smith and Topin, 2019; cosine pieces: PyTorch's OneCycleLR
    """
    done = np.minimum(periods(clock, None, None), 1.0)
    rise, fall = np.minimum(done / rise_fraction, 1.0), np.maximum(done - rise_fraction, 0.0) / (1 - rise_fraction)
    if not linear:
        rise, fall = (1 - np.cos(np.pi * rise)) / 2, (1 - np.cos(np.pi * fall)) / 2
    return np.where(done < rise_fraction, start_factor + (1 - start_factor) * rise, 1 - (1 - end_factor) * fall)
