"""Figures of a claim beside the bounds that they are held against, with as many digits as tell the two apart."""

from __future__ import annotations

from fallline.report import words
from fallline.study import Claim


def bound_in_words(claim: Claim) -> str:
    """What the estimate must be, as it goes on after the name of the pair; "" where the sign alone is claimed."""
    for name in ("above", "below"):
        if (value := getattr(claim, name)) is not None:
            return f", to be {name} {exact(value)}"
    if claim.near is not None:
        return f", to be {exact(claim.near)} ±{exact(claim.margin)}"
    if claim.equal is not None:
        return f", to be within ±{exact(claim.margin)}"
    return f", to be beyond {exact(claim.margin)}" if claim.margin else ""


def beside(value: float | None, claim: Claim) -> str:
    """The size of a figure with three digits, or as many more as tell it from a bound that differs from it.

    2.3016 is not written 2.30 where it is to be below 2.3026.
    """
    bounds = _bounds(claim)
    for digits in range(3, 9):
        text = words.number(value, digits)
        if not any(bound != value and text == words.number(bound, digits) for bound in bounds):
            break
    return text


def exact(bound: float) -> str:
    """A bound as it was written, to eight digits."""
    texts = (words.number(bound, digits) for digits in range(1, 9))
    return next((text for text in texts if float(text.replace("−", "-")) == bound), words.number(bound, 8))


def _bounds(claim: Claim) -> list[float]:
    if claim.near is not None:
        return [claim.near - claim.margin, claim.near + claim.margin]
    return [bound for bound in (claim.above, claim.below) if bound is not None] or [claim.margin]
