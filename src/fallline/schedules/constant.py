"""The constant schedule: the learning rate as it is given."""

from __future__ import annotations

import numpy as np

from fallline.contracts import Clock
from fallline.contracts.declaring import schedule


@schedule()
def constant(clock: Clock) -> np.ndarray:
    """Constant learning rate.

    Equation::

        f = 1

    Source: Robbins and Monro, 1951, without their decay
    """
    return np.ones(len(clock.steps))
