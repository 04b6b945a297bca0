"""The rank of each arm at each seed, and the CI of its mean over seeds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from fallline.stats.distributions import average_ranks, normal_below, t_quantile
from fallline.stats.evidence import LEVEL

DRAWS = 10_000


@dataclass(frozen=True)
class Ranks:
    """Ranks [arms, seeds], 1 is best, ties share; over ``n`` seeds that every arm has, their mean and its 95 % CI (None
    with one seed)."""

    each: np.ndarray
    mean: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None

    @property
    def n(self) -> int:
        return self.each.shape[1]


def ranks(values: np.ndarray, up: bool) -> Ranks | None:
    """The ranks of ``values`` [arms, seeds], larger is better where ``up``; None where no seed has all arms.

    NaN: no trial, and its seed is left out; infinite: a trial that diverged, the last of its seed. The CI is a
    bootstrap over seeds, always with the same draws, with percentiles expanded by the ratio of Student's t to the
    normal quantile at this n (Hesterberg 2015): plain percentiles are too narrow with few seeds.
    """
    whole = values[:, ~np.isnan(values).any(axis=0)]
    n = whole.shape[1]
    if n == 0:
        return None
    each = np.apply_along_axis(average_ranks, 0, -whole if up else whole)
    mean = each.mean(axis=1)
    if n == 1:
        return Ranks(each, mean, None, None)
    low, high = np.quantile(resampled(each), expanded_percentiles(n), axis=1)
    return Ranks(each, mean, low, high)


def resampled(values: np.ndarray) -> np.ndarray:
    """The means of ``values`` [arms, seeds] over resamples of the seeds [arms, draws]; always the same draws."""
    n = values.shape[1]
    return values @ _drawn(n).T / n


@lru_cache(maxsize=8)
def _drawn(n: int) -> np.ndarray:
    """How often each of ``n`` seeds is drawn [draws, n]; always the same."""
    return np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=DRAWS)


def expanded_percentiles(n: int) -> tuple[float, float]:
    """The percentiles of a bootstrap mean for a 95 % CI with ``n`` values."""
    tail = float(normal_below((n / (n - 1)) ** 0.5 * t_quantile(LEVEL / 2, n - 1)))
    return tail, 1 - tail


def cliques(apart: np.ndarray) -> list[tuple[int, int]]:
    """The longest sequences of arms, by first and last position, in which no pair is significantly different;
    ``apart`` [arms, arms] (significantly different) in the order of mean ranks. Sequences of one arm, and those inside
    a longer one, are left out."""
    count, found = len(apart), []
    for first in range(count):
        last = first
        while last + 1 < count and not apart[last + 1, first : last + 1].any():
            last += 1
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found
