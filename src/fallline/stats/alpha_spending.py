"""When to look while seeds are added, and at which level, so that looking often finds nothing that is not there."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from fallline.stats.columns import trials_of
from fallline.stats.evidence import LEVEL
from fallline.stats.summary import FEW_SEEDS
from fallline.store import Run
from fallline.store.interim_analyses import InterimAnalysis, recorded_analyses

USUAL_MOST = 100
"""Where a run that is not decided ends, unless told otherwise."""


def plan_looks(first: int, most: int = USUAL_MOST, level: float = LEVEL) -> tuple[InterimAnalysis, ...]:
    """The looks of a run that grows from ``first`` to ``most`` seeds: each doubles the seeds, the last takes in the
    rest.

    The overall ``level`` is spent in proportion to the seeds: a look's own level is the share of its new seeds among
    ``most``. This is alpha spending (Lan and DeMets 1983) at the rate alpha t (Kim and DeMets 1987). Where they solve
    for the boundary that uses up each share under a normal law, here the share itself is the level of the look's tests:
    by Boole's inequality the chance that any look errs is at most the sum of the shares, for every statistic, every
    number of seeds and however much the looks hang together. Solving for t statistics of few seeds would only be
    approximate, and for sign tests and tests of several parts there is nothing to solve.

    >>> [(look.seeds, round(look.level, 4)) for look in plan_looks(5)]
    [(5, 0.0025), (10, 0.0025), (20, 0.005), (40, 0.01), (100, 0.03)]
    """
    counts = [min(first, most)]
    while counts[-1] < most:
        counts.append(2 * counts[-1] if 3 * counts[-1] <= most else most)
    return tuple(
        InterimAnalysis(n, level * (n - before) / most) for before, n in zip([0, *counts], counts, strict=False)
    )


def first_look(seeds: int, most: int) -> int:
    """The seeds of the first look: those of the study, but enough to see a spread."""
    return min(max(seeds, FEW_SEEDS), most)


@dataclass(frozen=True)
class SequentialTest:
    """The ``trials`` that verdicts rest on, whether they are all ``there``, and the ``level`` of the tests."""

    trials: pl.DataFrame
    there: bool = True
    level: float = LEVEL


def reading(run: Run) -> SequentialTest:
    """All trials at 5 % where the run was made at once; where it was looked at in rounds, those of the last look at its
    level. So a verdict read at any time has the error that was promised."""
    trials, looks = trials_of(run), recorded_analyses(run.paths)
    if looks is None or looks.last is None:
        return SequentialTest(trials, not run.missing)
    seen = set(looks.seen)
    blocks = [block for round_ in run.plan["rounds"] for cohort in round_["cohorts"] for block in cohort["blocks"]]
    late = set(run.missing)
    there = all(seen.isdisjoint(block["seeds"]) for block in blocks if block["name"] in late)
    return SequentialTest(trials.filter(pl.col("seed").is_in(seen)), there, looks.last.level)
