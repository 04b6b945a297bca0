"""Two arms over the folds of the data: the corrected resampled t test, which generalises to other examples."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import polars as pl

from fallline.stats.arms import Arm
from fallline.stats.distributions import t_above
from fallline.stats.filters import select_trials
from fallline.stats.same_examples import split_of
from fallline.store import Run


@dataclass(frozen=True)
class OverFolds:
    """The two-sided ``p`` over ``folds`` folds."""

    p: float
    folds: int


def corrected_p(differences: np.ndarray, share: float) -> float | None:
    """The two-sided p-value of the corrected resampled t test (Nadeau and Bengio 2003, Machine Learning 52, 239, eq.
    9).

    ``differences``: of two arms, one per fold; ``share``: validation examples per training example. Folds share most of
    their training examples, so the usual standard error of the mean is too small: its 1/J becomes 1/J + share, with
    J - 1 degrees of freedom. This is an approximation, derived for random repeated splits. None where the differences
    have no variance.
    """
    count, sd = len(differences), float(differences.std(ddof=1))
    if not sd:
        return None
    t = float(differences.mean()) / (math.sqrt(1 / count + share) * sd)
    return 2 * t_above(abs(t), count - 1)


class Folds:
    """The values of arms at their chosen settings by fold, read once.

    ``among(first, second)`` is the test of two arms over their folds, each the mean over their common seeds; None
    without folds, where a trial diverged, and for a metric that is not on validation, since test examples are the same
    in all folds.
    """

    def __init__(self, run: Run, metric: str):
        self._metric, known = metric, run.fold_trials
        cut = split_of(metric) == "validation" and "across_folds" in known.columns and metric in known.columns
        self._known = known.filter(pl.col("across_folds").is_not_null()) if cut else None

    def among(self, first: Arm, second: Arm) -> OverFolds | None:
        if self._known is None:
            return None
        sides = [self._values(arm) for arm in (first, second)]
        both = sides[0].join(sides[1], on=["seed", "fold"], suffix="_second")
        if both.is_empty() or both.null_count().sum_horizontal().item():
            return None
        gaps = (pl.col(self._metric) - pl.col(f"{self._metric}_second")).mean()
        each = both.group_by("fold", maintain_order=True).agg(gap=gaps, seeds=pl.len())
        count = int(both["folds"][0])
        if each.height < count or each["seeds"].n_unique() > 1 or both["folds"].n_unique() > 1:
            return None
        p = corrected_p(each["gap"].to_numpy(), 1 / (count - 1))
        return None if p is None else OverFolds(p, count)

    def _values(self, arm: Arm) -> pl.DataFrame:
        names = select_trials(arm.rows, arm.chosen)["trial"]
        own = self._known.filter(pl.col("across_folds").is_in(names.implode()))
        value = pl.when(pl.col("status") != "diverged").then(pl.col(self._metric))
        return own.select("seed", "fold", "folds", value.alias(self._metric))
