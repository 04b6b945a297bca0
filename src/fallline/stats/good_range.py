"""The range of good values of a hyperparameter around its best value, in decades."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import polars as pl

from fallline.stats.summary import FEW_SEEDS

TOLERANCE = 0.1
HUNDREDTH = 0.01
"""This part of the distance to the median counts as good too, since 10 % of a best loss near 0 would be nothing."""


@dataclass(frozen=True)
class GoodRange:
    """Values of a hyperparameter from ``low`` to ``high`` give results at least as good as ``threshold``.

    ``best`` is the best value of ``tried`` values. ``cut`` names the ends at which the range reaches the edge of the
    search range ("lowest", "highest", "both", else empty): there it may be wider.
    """

    best: float
    low: float
    high: float
    threshold: float
    tried: int
    cut: str = ""

    @property
    def decades(self) -> float:
        return math.log10(self.high / self.low)


def good_range(
    rows: pl.DataFrame, number: str, column: str, up: bool, tolerance: float = TOLERANCE
) -> GoodRange | None:
    """The range of good values of the hyperparameter ``number`` in the ranked ``rows`` of one arm; None with fewer than
    two values, or no result.

    At each value the best of the other settings counts. A result is good within the largest of these distances from the
    best one: half its 95 % CI (with 5 seeds or more), ``tolerance`` times what it lacks (a loss at most 10 % higher; a
    metric between 0 and 1 at most 10 % further from 1), and a hundredth of the distance to the median of these results.
    The range contains the best value and ends where the line between two tried values, over the logarithm of the
    hyperparameter, crosses the threshold; where the next value diverged with any seed, or has no number, it ends at the
    last good one.
    """
    by_value = rows.filter((pl.col(number) > 0) & pl.col("trials").gt(0)).sort("rank")
    by_value = by_value.unique(number, keep="first", maintain_order=True)
    lost_seeds = pl.sum_horizontal(pl.col(name) for name in ("diverged", "missing") if name in rows.columns)
    whole = (lost_seeds == 0) & pl.col(f"{column}_mean").is_finite()
    if by_value.height < 2 or by_value.filter(whole).is_empty():
        return None
    best = by_value.filter(whole).row(0, named=True)
    middle = by_value.filter(whole)[f"{column}_mean"].median()
    threshold = _threshold(best, column, up, tolerance, _bounded(rows, column, up), middle)
    values = [
        (row[number], row[f"{column}_mean"] if row["fine"] else None)
        for row in by_value.with_columns(fine=whole.fill_null(False)).sort(number).iter_rows(named=True)
    ]
    place = [at for at, _ in values].index(best[number])
    low, cut_low = _end(values[place::-1], threshold, up)
    high, cut_high = _end(values[place:], threshold, up)
    cut = {(True, True): "both", (True, False): "lowest", (False, True): "highest"}.get((cut_low, cut_high), "")
    return GoodRange(best[number], low, high, threshold, by_value.height, cut)


def _bounded(rows: pl.DataFrame, column: str, up: bool) -> bool:
    """Whether the metric is a share: larger is better, and values are within 0 and 1."""
    values = rows[f"{column}_mean"].drop_nulls()
    return up and not values.is_empty() and values.min() >= 0 and values.max() <= 1


def _threshold(best: dict, column: str, up: bool, tolerance: float, bounded: bool, middle: float) -> float:
    value, low, high = (best[f"{column}_{part}"] for part in ("mean", "low", "high"))
    lacking = 1 - value if bounded else abs(value)
    sure = (high - low) / 2 if low is not None and best[f"{column}_n"] >= FEW_SEEDS else 0.0
    distance = max(sure, tolerance * lacking, HUNDREDTH * abs(middle - value))
    return value - distance if up else value + distance


def _end(line: list[tuple[float, float | None]], threshold: float, up: bool) -> tuple[float, bool]:
    """The last good value along ``line``, which begins at the best value; and whether that is the end of the line."""
    for (here, value), (there, following) in pairwise(line):
        if following is None:
            return here, False
        if following < threshold if up else following > threshold:
            share = (threshold - value) / (following - value)
            return float(math.exp(math.log(here) + share * (math.log(there) - math.log(here)))), False
    return line[-1][0], True
