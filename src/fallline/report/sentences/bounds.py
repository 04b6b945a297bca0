"""Figures of a claim beside the bounds that they are compared with, with enough digits to distinguish them."""

from __future__ import annotations

import math

from fallline.report import formatting
from fallline.report.rounding import by_width
from fallline.study import Claim
from fallline.study.formatting import exact


def bound_in_words(claim: Claim) -> str:
    """What the estimate must be, as text after the name of the pair; "" where only the sign is claimed."""
    for name in ("above", "below"):
        if (value := getattr(claim, name)) is not None:
            return f", to be {name} {exact(value)}"
    if claim.near is not None:
        return f", to be within {exact(claim.margin)} of {exact(claim.near)}"
    if claim.equal is not None:
        return f", to be within {exact(claim.margin)} of 0"
    return f", to be beyond {exact(claim.margin)}" if claim.margin else ""


def beside(value: float | None, claim: Claim, half: float = 0.0, sign: bool = False) -> str:
    """A figure rounded by ``half`` its interval, or with more digits where that would make it equal to a different
    bound.

    2.3016 is not written 2.30 where it is to be below 2.3026. With ``sign`` it is a difference, +0.5.
    """
    text = by_width(value, half, sign)
    if value is None or not math.isfinite(value):
        return text
    size = abs(value) if sign else value
    others = [bound for bound in _bounds(claim) if bound != size]
    if not any(by_width(size, half) == by_width(bound, half) for bound in others):
        return text
    for digits in range(3, 9):
        text = formatting.number(size, digits)
        if not any(text == formatting.number(bound, digits) for bound in others):
            break
    return ("" if not sign or not value else "+" if value > 0 else "−") + text


def _bounds(claim: Claim) -> list[float]:
    if claim.near is not None:
        return [claim.near - claim.margin, claim.near + claim.margin]
    return [bound for bound in (claim.above, claim.below) if bound is not None] or [claim.margin]
