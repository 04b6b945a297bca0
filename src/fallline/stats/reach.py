"""What the budget of a run cannot show: a claim that asks for more is not tested, whatever its figures are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import polars as pl

from fallline.contracts import MetricName
from fallline.metrics import goal_of
from fallline.stats.claim_budget import ClaimBudget
from fallline.stats.evidence import Evidence, Region
from fallline.stats.filters import where
from fallline.study import Claim
from fallline.study.original_claims import tables


def out_of_reach(claim: Claim, column: str, region: Region, rows: pl.DataFrame) -> str:
    """Why the steps of the claim's trials cannot show whether it holds; "" where they can.

    A step that is claimed lies within the run, and so does the bound of a claim about a step: that the best model comes
    before step 226 cannot fail in 60 steps, and that it comes later cannot hold. ``rows`` are the trials that the claim
    is about.
    """
    if "steps" not in rows.columns:
        return ""
    steps = _of_its_arms(claim, rows)["steps"].drop_nulls()
    if steps.is_empty():
        return ""
    least = int(steps.min())
    if claim.min_steps is not None and least < claim.min_steps:
        return f"it speaks of {claim.min_steps:,} steps, and this run ends after {least:,}"
    if claim.step is not None and least < claim.step:
        return f"it speaks of step {claim.step:,}, and this run ends after step {least:,}"
    if MetricName.parse(column).is_step and (bound := _unreached(region, least)) is not None:
        return f"its bound, step {bound:,.10g}, lies beyond what this run trains, {least:,} steps"
    return ""


def falls_short(
    claim: Claim,
    column: str,
    region: Region,
    up: bool,
    deciding: Evidence,
    budget: tuple[ClaimBudget, ClaimBudget] | None,
    goals: Mapping[str, str],
) -> str:
    """Why a value that is worse than its bound says nothing of the claim; "" where it does.

    A claim about a value was made about a budget. With less training a value is worse for that reason alone; one that
    is good enough all the same is judged.
    """
    known = goal_of(column, goals) is not None or claim.direction is not None
    if claim.arm is None or budget is None or MetricName.parse(column).is_step or not known:
        return ""
    less = _less(*budget, of_steps=claim.step is None)
    bound = _bound(claim, region, up)
    worse = deciding.estimate < bound if up else deciding.estimate > bound
    worse &= math.isfinite(deciding.estimate)  # no training makes up for trials that diverged
    if not less or not worse:
        return ""
    return f"it is {deciding.estimate:.4g} here, worse than {bound:.10g}, after less training: {' and '.join(less)}"


def _of_its_arms(claim: Claim, rows: pl.DataFrame) -> pl.DataFrame:
    """The trials of the claim's arms; all, where the others are an arm."""
    if claim.worse == "others":
        return rows
    named = [dict(table) for table in tables(claim) if table is not claim.where]
    return pl.concat([where(rows, table) for table in named])


def _unreached(region: Region, steps: int) -> float | None:
    """A bound of the region that no value from 0 to ``steps`` lies beyond."""
    for bound, closed in ((region.low, True), (region.high, region.closed)):
        size = abs(bound)  # of a difference in steps as well
        if math.isfinite(bound) and size > 0 and (steps <= size if closed else steps < size):
            return size
    return None


def _bound(claim: Claim, region: Region, up: bool) -> float:
    """The value that less training falls short of."""
    if claim.above is not None:
        return claim.above
    if claim.below is not None:
        return claim.below
    return region.low if up else region.high


def _less(made: ClaimBudget, judged: ClaimBudget, of_steps: bool) -> list[str]:
    """What this run trains less of than the claim was made about, in words."""

    def said(ours: int, theirs: int, word: str) -> Iterable[str]:
        return [f"{ours:,} {word} in place of {theirs:,}"] if ours < theirs else []

    found = list(said(judged.steps[1], made.steps[1], "steps")) if of_steps else []
    if made.images is not None and judged.images is not None:
        found += said(judged.images[1], made.images[1], "training examples")
    elif made.data != judged.data and judged.data == ("sample",):
        found.append("the sample in place of the full data")
    return found
