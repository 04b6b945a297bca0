"""What a sample over seeds says of a claim: an estimate, its 95 % interval, and how surely the claim holds or fails."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.05
"""Of both sides together: an interval of 95 %."""

SAME = 1e-6
"""A spread below this share of the values is rounding of float32."""


@dataclass(frozen=True)
class Region:
    """The values for which a claim is true: between ``low`` and ``high``, which belong to it where ``closed``."""

    low: float = -math.inf
    high: float = math.inf
    closed: bool = False

    def above(self, values: np.ndarray) -> np.ndarray:
        """Which values lie on the right side of ``low``."""
        return values >= self.low if self.closed or self.low == -math.inf else values > self.low

    def below(self, values: np.ndarray) -> np.ndarray:
        """Which values lie on the right side of ``high``."""
        return values <= self.high if self.closed or self.high == math.inf else values < self.high


@dataclass(frozen=True)
class Evidence:
    """What a sample says of a region.

    ``p_for`` is the least level at which the interval lies inside the region, ``p_against`` the least at which it lies
    outside; the interval is that of the level asked for. ``method``: "values" (no chance, no test), "t", "sign", or
    "one seed", which says nothing. ``sizes`` are the distances of the estimate inside each end of the region in units
    of the sd (for "sign": the shares of the seeds that lie inside).
    """

    estimate: float
    low: float | None
    high: float | None
    p_for: float
    p_against: float
    n: int
    method: str
    sizes: tuple[float, ...] = ()

    @property
    def leans_for(self) -> bool:
        return self.p_for <= self.p_against


def weigh(sample: np.ndarray, region: Region, exact: bool = False, scale: float = 0.0,
          level: float = LEVEL) -> Evidence:
    """Evidence in a sample, one value a seed, at least one; plus and minus infinity stand for trials that diverged.

    Where nothing is left to chance (``exact``) the first value is the truth. A finite sample is weighed by Student's t
    (for a region with two ends: two one-sided tests, Schuirmann 1987). One with infinite values, or without spread (its
    sd is no more than rounding at values of size ``scale``), is weighed by the sign test about its median, with the
    interval between order statistics (Conover 1999, 3.2 and 3.4); it can decide from 6 seeds on. ``level``, of both
    sides together, is that of the interval.
    """
    n = len(sample)
    if exact:
        holds = bool((region.above(sample[:1]) & region.below(sample[:1]))[0])
        value = float(sample[0])
        return Evidence(value, value, value, float(not holds), float(holds), n, "values")
    if n == 1:
        return Evidence(float(sample[0]), None, None, 1.0, 1.0, 1, "one seed")
    if not np.isfinite(sample).all() or sample.std(ddof=1) <= SAME * scale:
        return _by_sign(sample, region, level)
    return _by_t(sample, region, level)


def _by_t(sample: np.ndarray, region: Region, level: float) -> Evidence:
    n, mean, sd = len(sample), float(sample.mean()), float(sample.std(ddof=1))
    error = sd / math.sqrt(n)
    half = error * float(stats.t.ppf(1 - level / 2, n - 1))
    sizes = tuple((mean - region.low if end == region.low else region.high - mean) / sd for end in _ends(region))
    inside = [float(stats.t.sf(size * math.sqrt(n), n - 1)) for size in sizes]
    return Evidence(mean, mean - half, mean + half, *_levels(inside, [1 - p for p in inside]), n, "t", sizes)


def _by_sign(sample: np.ndarray, region: Region, level: float) -> Evidence:
    n = len(sample)
    counts = [int((region.above(sample) if end == region.low else region.below(sample)).sum()) for end in _ends(region)]
    inside, outside = ([float(stats.binom.sf(count - 1, n, 0.5)) for count in side]
                       for side in (counts, [n - count for count in counts]))
    ordered = np.sort(sample)
    k = int(stats.binom.ppf(level / 2, n, 0.5))  # the largest k with P(X < k) <= level / 2
    low, high = (float(ordered[k - 1]), float(ordered[n - k])) if k else (None, None)
    middle = {float(ordered[(n - 1) // 2]), float(ordered[n // 2])}
    estimate = math.nan if middle == {-math.inf, math.inf} else sum(middle) / len(middle)
    return Evidence(estimate, low, high, *_levels(inside, outside), n, "sign", tuple(c / n for c in counts))


def _ends(region: Region) -> list[float]:
    return [end for end in (region.low, region.high) if math.isfinite(end)]


def _levels(inside: list[float], outside: list[float]) -> tuple[float, float]:
    """Both sides count: the claim holds where all ends are kept, and fails where one is not."""
    return min(1.0, 2 * max(inside)), min(1.0, 2 * min(outside))
