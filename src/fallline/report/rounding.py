"""Rounding by uncertainty: an interval and its estimate to the second digit of half the interval's width."""

from __future__ import annotations

import math

from fallline.report import formatting

MOST_PLACES = 5
"""Decimals of a figure; smaller figures are written as a power."""


def plus_minus(mean: float, half: float) -> str:
    """A mean and half its 95 % CI, both to the second digit of the half.

    >>> plus_minus(0.92123, 0.00214), plus_minus(23.4, 0.0), plus_minus(0.00031234, 0.0000023)
    ('0.9212 ± 0.0021', '23.40 ± 0', '3.123e-4 ± 2.3e-6')
    """
    return f"{by_width(mean, half)} ± {by_width(half, half) if half else '0'}"


def by_width(value: float | None, half: float, sign: bool = False) -> str:
    """``value`` to the second digit of ``half``, half the width of its interval; with ``sign`` a difference is +0.5.

    Where there is no width, as ``words.number`` writes it.

    >>> by_width(-1.23456, 0.0012), by_width(0.5, 0.012, sign=True)
    ('−1.2346', '+0.500')
    """
    if value is None or not math.isfinite(value):
        return formatting.number(value)
    text = _to_width(abs(value), half) if half and math.isfinite(half) else formatting.number(abs(value))
    nothing = not any(digit in text.partition("e")[0] for digit in "123456789")
    return ("" if nothing else "−" if value < 0 else "+" if sign else "") + text


def interval(low: float | None, high: float | None, sign: bool = False) -> str:
    """The two ends, so that they differ where the interval has a width.

    >>> interval(-1.23456, -1.23111), interval(0.91, None), interval(2.0, 2.0)
    ('−1.2346 to −1.2311', '–', '2.000 to 2.000')
    """
    if low is None or high is None:
        return formatting.MISSING
    half = (high - low) / 2
    return f"{by_width(low, half, sign)} to {by_width(high, half, sign)}"


def _to_width(size: float, half: float) -> str:
    """A size, 0 or more, to the second digit of ``half``."""
    places = 1 - math.floor(math.log10(half) + 1e-12)
    if 0 <= places <= MOST_PLACES:
        return f"{size:.{places}f}"
    digits = places + (math.floor(math.log10(size)) if size else 0) + 1
    return formatting.number(size, max(digits, 2))
