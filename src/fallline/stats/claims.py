"""Tests of the claims of a study on its trials: supported, refuted or undecided, with the evidence."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from fallline.stats.alpha_spending import SequentialTest, sequential_test
from fallline.stats.arms import Arm, Settings, arms, pairs, upwards, valued
from fallline.stats.budget_limits import beyond_budget, undertrained
from fallline.stats.cached import once
from fallline.stats.claim_budget import ClaimBudget, budgets
from fallline.stats.columns import varying
from fallline.stats.differences import difference, itself, negligible
from fallline.stats.evidence import LEVEL, Evidence, Region, judge
from fallline.stats.filters import select_trials
from fallline.stats.metric import is_loss, kind_column, primary
from fallline.stats.pairwise import holm
from fallline.stats.power import NO_FORECAST, seeds_range
from fallline.stats.summary import FEW_SEEDS
from fallline.store import Run
from fallline.store.claims import noted_claims
from fallline.study import Claim

SUPPORTED, REFUTED, UNDECIDED, UNTESTED = "supported", "refuted", "undecided", "not tested here"


@dataclass(frozen=True)
class ClaimPart:
    """One comparison of a claim: its evidence and its own verdict.

    ``within`` are the settings that both sides share, ``first`` and ``second`` those in which they differ (``second``
    None: the claim is about a value), ``chosen`` the tuned hyperparameters, ``diverged`` and ``missing`` (finished
    without a number) counts of trials. The estimate is first minus second, or the mean itself. ``p_holm`` is the
    p-value against the claim with Holm's correction (1979) over its parts.
    """

    within: Settings
    first: Settings
    second: Settings | None
    chosen: tuple[Settings, Settings]
    diverged: tuple[int, int]
    missing: tuple[int, int]
    evidence: Evidence
    verdict: str = UNDECIDED
    p_holm: float = 1.0
    seeds_needed: int | None = None
    seeds_most: int | None = None


@dataclass(frozen=True)
class Verdict:
    """A claim and its verdict.

    ``deciding`` is the position of the part that decides the verdict, or leaves it undecided; ``seeds_needed`` to
    ``seeds_most`` how many seeds would decide it with 80 % power, None where that is not feasible or nothing is
    undecided. ``note`` is a reason in words, if there is one. ``level`` is that of the tests and of the CIs.
    ``budgets`` are the budget that the claim was made for and that of the run, where they differ.
    """

    claim: Claim
    column: str
    verdict: str
    parts: tuple[ClaimPart, ...] = ()
    deciding: int | None = None
    seeds_needed: int | None = None
    note: str = ""
    level: float = LEVEL
    budgets: tuple[ClaimBudget, ClaimBudget] | None = None
    seeds_most: int | None = None

    @property
    def p(self) -> float | None:
        """The p-value of the verdict; None where nothing was tested or the study is deterministic."""
        if self.deciding is None:
            return None
        part = self.parts[self.deciding]
        if part.evidence.method in ("values", "one seed"):
            return None
        return part.evidence.p_for if part.evidence.leans_for else part.p_holm


@once
def claims(run: Run) -> list[Verdict]:
    """One verdict per claim of the study, in their order.

    A claim is supported where every one of its parts is, each tested at the 5 % level: an intersection-union test,
    which needs no correction (Berger 1982, theorem 1). It is refuted where some part is, with Holm's correction (1979)
    over the parts. A 95 % CI on the claimed side supports, one on the other side refutes; all else is undecided. After
    interim analyses the last one decides, at its level.
    """
    if not run.study.claims:
        return []
    test, identity = sequential_test(run), varying(run)
    preregistered = noted_claims(run.paths, run.study)
    fixed = preregistered is not None and not preregistered.chance
    return [
        replace(_judged(run, test, identity, fixed, claim, budget), level=test.level, budgets=budget)
        for claim, budget in zip(run.study.claims, budgets(run, run.study.claims), strict=True)
    ]


def region_of(claim: Claim, up: bool) -> Region:
    """The values of the estimate for which the claim is true; ``up``: larger values of its metric are better."""
    if claim.equal is not None or claim.near is not None:
        centre = claim.near or 0.0
        return Region(centre - claim.margin, centre + claim.margin, closed=True)
    if claim.above is not None:
        return Region(low=claim.above)
    if claim.below is not None:
        return Region(high=claim.below)
    return Region(low=claim.margin) if up else Region(high=-claim.margin)


def decide(
    evidence: Sequence[Evidence], region: Region, level: float = LEVEL
) -> tuple[str, list[str], list[float], int]:
    """The verdict on a claim with these parts, at least one; the verdict of each; p-values with Holm's correction; and
    the position of the part that decides."""
    tested = holm(np.array([part.p_against if part.method != "values" else np.nan for part in evidence]))
    adjusted = [part.p_against if np.isnan(p) else float(p) for part, p in zip(evidence, tested, strict=True)]
    verdicts = [
        SUPPORTED if part.p_for <= level else REFUTED if p <= level else UNDECIDED
        for part, p in zip(evidence, adjusted, strict=True)
    ]
    places = range(len(evidence))
    if REFUTED in verdicts:
        worst = min(places, key=lambda place: (adjusted[place], _inside(evidence[place], region)))
        return REFUTED, verdicts, adjusted, worst
    weakest = min(places, key=lambda place: (-evidence[place].p_for, _inside(evidence[place], region)))
    return UNDECIDED if UNDECIDED in verdicts else SUPPORTED, verdicts, adjusted, weakest


def seeds_to_decide(evidence: Sequence[Evidence], level: float = LEVEL) -> tuple[int | None, int | None]:
    """From how many seeds to how many would decide an undecided claim: ``FEW_SEEDS`` where a part has one or two seeds,
    else by its effect and standard deviation (``power.pilots``)."""
    tested = [part for part in evidence if part.method != "values"]
    if any(part.n <= NO_FORECAST for part in tested):
        return FEW_SEEDS, FEW_SEEDS
    seen = max(part.n for part in tested)
    least, most = (None if needed is None else max(needed, seen + 1) for needed in seeds_range(evidence, level))
    return least, most


def _inside(part: Evidence, region: Region) -> float:
    """The distance of the estimate from the nearest end of the region, negative outside."""
    room = min(part.estimate - region.low, region.high - part.estimate)
    return -math.inf if math.isnan(room) else room


def _judged(
    run: Run,
    test: SequentialTest,
    identity: list[str],
    fixed: bool,
    claim: Claim,
    budget: tuple[ClaimBudget, ClaimBudget] | None,
) -> Verdict:
    trials, level = test.trials, test.level
    column, note = _column(run, trials, claim)
    if note:
        return Verdict(claim, column, UNTESTED, note=note)
    chooses, up = primary(run), upwards(claim, column, run.study.goals)
    selected, region = select_trials(trials, claim.where), region_of(claim, up)
    if note := beyond_budget(claim, column, region, selected):
        return Verdict(claim, column, UNTESTED, note=note)
    rows = valued(run, selected, claim, column, chooses.column, chooses.up)
    comparisons, note = _parts(claim, rows, [name for name in identity if name not in claim.tune], fixed, column, up)
    if not comparisons:
        return Verdict(claim, column, UNTESTED, note=note)
    parts = [ClaimPart(*what, judge(sample, region, level)) for *what, sample in comparisons]
    verdict, verdicts, adjusted, deciding = decide([part.evidence for part in parts], region, level)
    if note := undertrained(claim, column, region, up, parts[deciding].evidence, budget, run.study.goals):
        return Verdict(claim, column, UNTESTED, note=note)
    seeds_least, most = (
        seeds_to_decide([part.evidence for part in parts], level) if verdict == UNDECIDED else (None, None)
    )
    parts = [
        _settled(replace(part, verdict=verdict_of_part, p_holm=p), level)
        for part, verdict_of_part, p in zip(parts, verdicts, adjusted, strict=True)
    ]
    if not test.complete and verdict == SUPPORTED:
        verdict, note = UNDECIDED, "the run is not complete"
    return Verdict(claim, column, verdict, tuple(parts), deciding, seeds_least, note, seeds_most=most)


def _settled(part: ClaimPart, level: float) -> ClaimPart:
    """The comparison with the seeds that would decide it, where it is undecided."""
    least, most = seeds_to_decide([part.evidence], level) if part.verdict == UNDECIDED else (None, None)
    return replace(part, seeds_needed=least, seeds_most=most)


def _column(run: Run, trials: pl.DataFrame, claim: Claim) -> tuple[str, str]:
    """The column of the claim's metric, and a reason where there is none."""
    if claim.step is not None:
        column = claim.metric or run.study.metric
        known = run.curves.collect_schema().names()
    else:
        column = claim.metric or primary(run).column
        column = column if column in trials.columns else f"final_{column}"
        known = trials.columns
    if column in known:
        return column, ""
    return claim.metric or column, f"this run does not record {claim.metric or run.study.metric}"


def _parts(
    claim: Claim, rows: pl.DataFrame, identity: list[str], fixed: bool, column: str, up: bool
) -> tuple[list[Any], str]:
    """What is compared: the fields of a ``ClaimPart``, then its sample; and a reason where there is nothing."""
    rows = rows.drop_nulls("value")
    if rows.is_empty():
        return [], "no trial of this run has a value" + (f" at step {claim.step:,}" if claim.step is not None else "")
    tables = _tables(claim)
    sides = [arms(rows, table, identity, claim.tune, fixed) for table in tables]
    for table, side in zip(tables, sides, strict=True):
        if not side:
            return [], f"no trial of this run has {_in_words(table)}"
    if claim.arm is not None:
        return _own_values(sides[0], up), ""
    named = {name for table in tables for name in table}
    if claim.worse == "others":
        settings_of_arm = {tuple(arm.settings.items()) for arm in sides[0]}
        others = [
            arm
            for arm in arms(rows, {}, identity, claim.tune, fixed)
            if tuple(arm.settings.items()) not in settings_of_arm
        ]
        sides.append(others)
    if isinstance(claim.equal, dict):
        position = {id(arm): number for number, arm in enumerate(sides[0])}
        shared, compared_pairs = pairs(sides[0], sides[0], claim.for_each or [], named)
        compared_pairs = [(a, b) for a, b in compared_pairs if position[id(a)] < position[id(b)]]
    else:
        shared, compared_pairs = [], []
        for first, second in itertools.combinations(sides, 2):
            columns, pairs_ = pairs(first, second, claim.for_each, named)
            shared, compared_pairs = (
                [*shared, *(name for name in columns if name not in shared)],
                compared_pairs + pairs_,
            )
    if not compared_pairs:
        return [], "this run has no other arm that agrees in all other settings"
    if is_loss(column):
        compared_pairs = [pair for pair in compared_pairs if len(_kinds(pair)) < 2]
        if not compared_pairs:
            return [], "losses of different kinds cannot be compared"
    compared_pairs = [(a, b) for a, b in compared_pairs if not (_all_lost(a) and _all_lost(b))]
    if not compared_pairs:
        return [], f"every trial of both arms diverged{' or was not a number' * bool(rows['missing'].any())}"
    nothing = negligible(rows["value"].to_numpy())
    comparisons = [_compared(a, b, shared, up, nothing) for a, b in compared_pairs]
    comparisons = [comparison for comparison in comparisons if len(comparison[-1].values)]
    return comparisons, "" if comparisons else "the arms have no seed in common"


def _tables(claim: Claim) -> list[Settings]:
    """The tables that select the trials of each arm; those of "others" follow from the first."""
    if claim.equal is not None:
        return claim.equal if isinstance(claim.equal, list) else [claim.equal]
    return [table for table in (claim.arm, claim.better, claim.worse) if isinstance(table, dict)]


def _compared(a: Arm, b: Arm, held: list[str], up: bool, nothing: float) -> tuple[Any, ...]:
    within = {name: a.settings[name] for name in held if a.settings[name] == b.settings[name]}
    first, second = ({name: value for name, value in arm.settings.items() if name not in within} for arm in (a, b))
    return (
        within,
        first,
        second,
        (a.chosen, b.chosen),
        (a.diverged, b.diverged),
        (a.missing, b.missing),
        difference(a, b, up, nothing),
    )


def _own_values(side: list[Arm], up: bool) -> list[Any]:
    return [
        ({}, arm.settings, None, (arm.chosen, {}), (arm.diverged, 0), (arm.missing, 0), itself(arm, up))
        for arm in side
        if arm.sample
    ]


def _all_lost(arm: Arm) -> bool:
    """Whether no trial of the arm has a number."""
    return arm.diverged + arm.missing == arm.rows.height


def _kinds(pair: tuple[Arm, Arm]) -> set[Any]:
    column = kind_column(pair[0].rows)
    return {kind for arm in pair if column in arm.rows.columns for kind in arm.rows[column]}


def _in_words(table: Settings) -> str:
    return " and ".join(f"{name} = {value}" for name, value in table.items()) or "any settings"
