"""From epochs to steps, exactly: one rule for the calculator and for every run."""

from __future__ import annotations

import math
from fractions import Fraction


def as_decimal(number: float) -> Fraction:
    """The decimal that a person writes for ``number``: 4.1 is 41/10, not the nearest binary number."""
    return Fraction(str(number))


def whole_steps(steps: Fraction) -> int:
    """``steps`` rounded to the nearest whole number >= 1, a half upwards."""
    return max(1, math.floor(steps + Fraction(1, 2)))
