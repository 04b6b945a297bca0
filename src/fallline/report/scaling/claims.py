"""The claims on time of a study, judged by what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from fallline.report import formatting
from fallline.report.rounding import by_width, interval
from fallline.report.scaling.tables import said_count
from fallline.study.formatting import exact
from fallline.study.scale_table import ScaleClaim

if TYPE_CHECKING:
    from fallline.report.scaling.result import Scaled

SUPPORTED, REFUTED, UNDECIDED, OPEN = "supported", "refuted", "undecided", "not judged"


def claims_table(scaled: Scaled) -> pl.DataFrame:
    """A row a claim: the verdict, the speed-up with its range, and what it is held against.

    Supported or refuted where all of the range over repeats says so. Devices that share the cores of one CPU judge
    nothing: what they gain or lose is not what devices of their own would.
    """
    asked = scaled.study.scale
    return pl.DataFrame([_row(scaled, claim) for claim in (asked.claims if asked else [])])


def _row(scaled: Scaled, claim: ScaleClaim) -> dict[str, Any]:
    first = scaled.paces[0].batch
    own = _speed_up(scaled, claim, claim.batch or first)
    other = _speed_up(scaled, claim, claim.than) if claim.than else None
    if claim.than:
        against = f"more than of batch {claim.than}" + ("" if other is None else f", {_said(other)}")
    else:
        against = f"above {exact(claim.above)}" if claim.above is not None else f"below {exact(claim.below)}"
    return {
        "claim": claim.text,
        "verdict": _verdict(scaled, claim, own, other),
        "devices": said_count(str(claim.devices)),
        "batch": claim.batch or first,
        "speed-up": formatting.MISSING if own is None else _said(own),
        "must be": against,
    }


def _speed_up(scaled: Scaled, claim: ScaleClaim, batch: str) -> dict[str, Any] | None:
    found = scaled.budgets.filter(batch=batch, count=str(claim.devices), scaling=claim.scaling)
    return found.row(0, named=True) if found.height else None


def _verdict(scaled: Scaled, claim: ScaleClaim, own: dict[str, Any] | None, other: dict[str, Any] | None) -> str:
    if own is None or (claim.than and other is None):
        return f"{OPEN}: not measured"
    if scaled.judged.shared:
        return f"{OPEN}: the devices share one CPU"
    low, high = own["speed_up_low"], own["speed_up_high"]
    if other is not None:
        sure, never = low > other["speed_up_high"], high < other["speed_up_low"]
    elif claim.above is not None:
        sure, never = low > claim.above, high <= claim.above
    else:
        sure, never = high < claim.below, low >= claim.below
    return SUPPORTED if sure else REFUTED if never else UNDECIDED


def _said(row: dict[str, Any]) -> str:
    low, high = row["speed_up_low"], row["speed_up_high"]
    return f"{by_width(row['speed_up'], (high - low) / 2)} ({interval(low, high)})"
