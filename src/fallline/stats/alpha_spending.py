"""Interim analyses while seeds are added: at how many seeds and at which level, so that the overall error is kept."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from fallline.stats.columns import trials_of
from fallline.stats.evidence import LEVEL
from fallline.stats.summary import FEW_SEEDS
from fallline.store import Run
from fallline.store.interim_analyses import InterimAnalysis, recorded_analyses

DEFAULT_MOST_SEEDS = 100
"""The most seeds of a run that stays undecided, unless set otherwise."""


def plan_interim_analyses(
    first: int, most: int = DEFAULT_MOST_SEEDS, level: float = LEVEL
) -> tuple[InterimAnalysis, ...]:
    """The interim analyses of a run that grows from ``first`` to ``most`` seeds: each doubles the seeds, the last has
    all of them.

    The overall ``level`` is spent in proportion to the seeds: the level of an analysis is its share of new seeds among
    ``most``. This is alpha spending (Lan and DeMets 1983) with the spending function alpha t (Kim and DeMets 1987).
    They solve for the boundary that spends each share under a normal distribution; here the share itself is the level
    of the analysis's tests: by Boole's inequality the probability of an error in any analysis is at most the sum of the
    shares, for every statistic and number of seeds, and however the analyses are correlated. Solving for t statistics
    of few seeds would only be approximate, and for sign tests and tests with several parts there is no boundary.

    >>> [(analysis.seeds, round(analysis.level, 4)) for analysis in plan_interim_analyses(5)]
    [(5, 0.0025), (10, 0.0025), (20, 0.005), (40, 0.01), (100, 0.03)]
    """
    counts = [min(first, most)]
    while counts[-1] < most:
        counts.append(2 * counts[-1] if 3 * counts[-1] <= most else most)
    return tuple(
        InterimAnalysis(n, level * (n - before) / most) for before, n in zip([0, *counts], counts, strict=False)
    )


def first_analysis_seeds(seeds: int, most: int) -> int:
    """The seeds of the first analysis: those of the study, but at least as many as a standard deviation needs."""
    return min(max(seeds, FEW_SEEDS), most)


@dataclass(frozen=True)
class SequentialTest:
    """The ``trials`` that are tested, whether they are ``complete``, and the ``level`` of the tests."""

    trials: pl.DataFrame
    complete: bool = True
    level: float = LEVEL


def sequential_test(run: Run) -> SequentialTest:
    """All trials at 5 %, or after interim analyses the trials and the level of the last one, so that a verdict read at
    any time keeps the overall error probability."""
    trials, analyses = trials_of(run), recorded_analyses(run.paths)
    if analyses is None or analyses.last is None:
        return SequentialTest(trials, not run.missing)
    analysed_seeds = set(analyses.seen)
    blocks = [block for round_ in run.plan["rounds"] for cohort in round_["cohorts"] for block in cohort["blocks"]]
    missing = set(run.missing)
    complete = all(analysed_seeds.isdisjoint(block["seeds"]) for block in blocks if block["name"] in missing)
    return SequentialTest(trials.filter(pl.col("seed").is_in(analysed_seeds)), complete, analyses.last.level)
