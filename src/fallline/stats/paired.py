"""Two configurations paired over seeds: both have the same initial weights and batches for a seed."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from fallline.stats.columns import configurations, finished
from fallline.stats.missing import not_a_number
from fallline.stats.summary import interval_factor
from fallline.store import Run


@dataclass(frozen=True)
class Difference:
    """Mean of a minus b over ``n`` common seeds; ``low`` and ``high`` are its 95 % CI, None with one seed.

    ``lost``: the number of seeds at which both were trained and one, or both, diverged or has no number.
    """

    mean: float
    low: float | None
    high: float | None
    n: int
    lost: int = 0

    @property
    def decided(self) -> bool:
        """Whether the CI excludes zero."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


def paired(run: Run, a: int, b: int, metric: str) -> Difference | None:
    """``metric`` of configuration ``a`` minus that of ``b``; None where no seed has a number of both."""
    value = pl.when(finished() & ~not_a_number(metric)).then(pl.col(metric))
    left, right = (
        configurations(run).filter(pl.col("configuration") == one).select("seed", value.alias(metric)) for one in (a, b)
    )
    every = left.join(right, on="seed", suffix="_b").select(pl.col(metric) - pl.col(f"{metric}_b")).to_series()
    differences = every.drop_nulls()
    lost = every.len() - differences.len()
    if differences.is_empty():
        return None
    mean, n = float(differences.mean()), differences.len()
    factor = interval_factor(n)
    if factor is None:
        return Difference(mean, None, None, n, lost)
    half = factor * float(differences.std(ddof=1))
    return Difference(mean, mean - half, mean + half, n, lost)
