"""What a sample over seeds says of a claim: an estimate, its 95 % interval, and how surely the claim holds or fails."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fallline.stats.distributions import even_binomial_from, even_binomial_quantile, t_above, t_quantile

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


@dataclass(frozen=True, eq=False)
class Sample:
    """One value a seed, at least one: of an arm, or of a first arm minus a second; infinite where a trial diverged.

    ``exact``: nothing was left to chance, so the first value is the truth. ``scale``: the size of the values, to know
    rounding by. ``logs``: where both arms have losses above 0, the differences of their logarithms, and ``wider``:
    whether the first arm's logarithms have a spread at least that of the second's, whether the second's. Where numbers
    were tuned, what seeds choose may not be the best there is; then ``floors`` are samples none of which has a mean
    above what arms at their truly best settings would give, for one of them, and ``ceilings`` none below.
    """

    values: np.ndarray
    exact: bool = False
    scale: float = 0.0
    floors: tuple[Sample, ...] = ()
    ceilings: tuple[Sample, ...] = ()
    logs: np.ndarray | None = None
    wider: tuple[bool, bool] = (False, False)

    @property
    def plain(self) -> Sample:
        """The sample by itself, without doubt about the best settings."""
        return replace(self, floors=(), ceilings=())


@dataclass(frozen=True)
class Evidence:
    """What a sample says of a region.

    ``p_for`` is the least level at which the interval lies inside the region, ``p_against`` the least at which it lies
    outside; the interval is that of the level asked for. ``method``: "values" (no chance, no test), "t", "sign", or
    "one seed", which says nothing. ``sizes`` are the distances of the estimate inside each end of the region in units
    of the sd (for "sign": the shares of the seeds that lie inside). ``costs`` are what not knowing the best settings
    takes off each of them, inside and outside, in standard errors; none where nothing was tuned. ``logs``: whether
    p-values and sizes are those of the logarithms.
    """

    estimate: float
    low: float | None
    high: float | None
    p_for: float
    p_against: float
    n: int
    method: str
    sizes: tuple[float, ...] = ()
    costs: tuple[tuple[float, float], ...] = ()
    logs: bool = False

    @property
    def leans_for(self) -> bool:
        return self.p_for <= self.p_against

    def inside_at(self, n: int) -> list[float]:
        """The sizes as ``n`` seeds would show them: doubt about the best settings shrinks with the standard error."""
        return [size - cost[0] / math.sqrt(n) for size, cost in self._with_costs]

    def outside_at(self, n: int) -> float:
        """The size of the effect beyond the end of the region that is missed most, as ``n`` seeds would show it."""
        if self.method == "sign":
            return max(1 - size for size in self.sizes)
        return max(-size - cost[1] / math.sqrt(n) for size, cost in self._with_costs)

    @property
    def _with_costs(self) -> list[tuple[float, tuple[float, float]]]:
        return list(zip(self.sizes, self.costs or [(0.0, 0.0)] * len(self.sizes), strict=True))


def judge(sample: Sample, region: Region, level: float = LEVEL) -> Evidence:
    """``weigh`` for arms that were tuned: what holds for the sample must hold for its floors and ceilings too.

    Whoever claims that the truth is above an end has to show it for every floor; that it is below, for every ceiling.
    One of them errs in under half the ``level`` whatever the settings are worth, so all of them together do
    (intersection-union test, Berger 1982). The interval reaches from the lowest of them to the highest.
    """
    own = weighed(sample, region, level)
    if own.method in ("values", "one seed") or not (sample.floors or sample.ceilings):
        return own
    inside, outside, costs, lows, highs = [], [], [], [own.low], [own.high]
    for end in _single(region):
        lower, upper, itself = (
            [weighed(one, end, level) for one in side] for side in (sample.floors, sample.ceilings, [sample.plain])
        )
        for_, against = (lower, upper) if end.high == math.inf else (upper, lower)
        inside.append(max(one.p_for for one in [*itself, *for_]))
        outside.append(max(one.p_against for one in [*itself, *against]))
        costs.append((_cost(itself[0], for_, 1), _cost(itself[0], against, -1)))
        lows += [one.low for one in lower]
        highs += [one.high for one in upper]
    return replace(
        own,
        p_for=max(inside),
        p_against=min(outside),
        costs=tuple(costs),
        low=_furthest(min, lows),
        high=_furthest(max, highs),
    )


def _single(region: Region) -> list[Region]:
    """The region's ends, each by itself."""
    both = (Region(low=region.low, closed=region.closed), Region(high=region.high, closed=region.closed))
    return [one for one in both if _ends(one)]


def _cost(own: Evidence, others: Sequence[Evidence], sign: int) -> float:
    """By how many standard errors the hardest of the others lies behind."""
    if own.method != "t":
        return 0.0
    behind = [
        sign * (own.sizes[0] * math.sqrt(own.n) - one.sizes[0] * math.sqrt(one.n))
        for one in others
        if one.method == "t"
    ]
    return max([0.0, *behind])


def _furthest(pick: Callable[[list[float]], float], ends: list[float | None]) -> float | None:
    known = [end for end in ends if end is not None]
    return pick(known) if len(known) == len(ends) else None


def weighed(sample: Sample, region: Region, level: float = LEVEL) -> Evidence:
    """``weigh`` for a sample by itself; which of two arms is better is asked of the logarithms of losses too.

    A setting that is worse and noisier has a difference whose spread hides it: with mean losses of 7.0 and 0.3 the t
    test finds nothing if one seed gave 20. The logarithms are asked only whether the arm is worse whose plain mean is
    worse and whose logarithms scatter at least as much; of such an arm a worse mean of logarithms means a worse mean,
    as the mean of a skewed loss grows with both (of a lognormal one exp(m + s^2 / 2)). Where all this holds the smaller
    of the two p-values stands. Simulated with equal means this adds nothing where one arm is noisier, and at most a
    percentage point and a half to the 2.5 % of a side where both have spreads of a factor of e^2 (tests). A rank test
    keeps its level as well, and cannot tell anything from 5 or 6 seeds once the level is shared out over settings.
    """
    own = weigh(sample.values, region, sample.exact, sample.scale, level)
    toward = {(0.0, math.inf): 0, (-math.inf, 0.0): 1}.get((region.low, region.high))
    if own.method != "t" or sample.logs is None or toward is None or region.closed or own.sizes[0] <= 0:
        return own
    if not sample.wider[toward] or sample.logs.std(ddof=1) <= SAME:
        return own
    logs = _by_t(sample.logs, region, level)
    if logs.p_for >= own.p_for:
        return own
    return replace(own, p_for=logs.p_for, p_against=logs.p_against, sizes=logs.sizes, logs=True)


def weigh(
    sample: np.ndarray, region: Region, exact: bool = False, scale: float = 0.0, level: float = LEVEL
) -> Evidence:
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
    half = error * t_quantile(1 - level / 2, n - 1)
    sizes = tuple((mean - region.low if end == region.low else region.high - mean) / sd for end in _ends(region))
    inside = [t_above(size * math.sqrt(n), n - 1) for size in sizes]
    return Evidence(mean, mean - half, mean + half, *_levels(inside, [1 - p for p in inside]), n, "t", sizes)


def _by_sign(sample: np.ndarray, region: Region, level: float) -> Evidence:
    n = len(sample)
    counts = [int((region.above(sample) if end == region.low else region.below(sample)).sum()) for end in _ends(region)]
    inside, outside = (
        [even_binomial_from(count, n) for count in side] for side in (counts, [n - count for count in counts])
    )
    ordered = np.sort(sample)
    k = even_binomial_quantile(level / 2, n)  # the largest k with P(X < k) <= level / 2
    low, high = (float(ordered[k - 1]), float(ordered[n - k])) if k else (None, None)
    middle = {float(ordered[(n - 1) // 2]), float(ordered[n // 2])}
    estimate = math.nan if middle == {-math.inf, math.inf} else sum(middle) / len(middle)
    return Evidence(estimate, low, high, *_levels(inside, outside), n, "sign", tuple(c / n for c in counts))


def _ends(region: Region) -> list[float]:
    return [end for end in (region.low, region.high) if math.isfinite(end)]


def _levels(inside: list[float], outside: list[float]) -> tuple[float, float]:
    """Both sides count: the claim holds where all ends are kept, and fails where one is not."""
    return min(1.0, 2 * max(inside)), min(1.0, 2 * min(outside))
