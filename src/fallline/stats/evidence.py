"""The evidence of a sample over seeds for a claim: an estimate, its 95 % CI, and p-values for and against it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fallline.stats.distributions import even_binomial_from, even_binomial_quantile, t_above, t_quantile

LEVEL = 0.05
"""The two-sided significance level, that of a 95 % CI."""

SAME = 1e-6
"""A standard deviation below this share of the values is float32 rounding."""


@dataclass(frozen=True)
class Region:
    """The values for which a claim is true: between ``low`` and ``high``, which are included where ``closed``."""

    low: float = -math.inf
    high: float = math.inf
    closed: bool = False

    def above(self, values: np.ndarray) -> np.ndarray:
        """Which values are above ``low``."""
        return values >= self.low if self.closed or self.low == -math.inf else values > self.low

    def below(self, values: np.ndarray) -> np.ndarray:
        """Which values are below ``high``."""
        return values <= self.high if self.closed or self.high == math.inf else values < self.high


@dataclass(frozen=True, eq=False)
class Sample:
    """One value per seed, at least one: of an arm, or of a first arm minus a second; infinite where a trial diverged.

    ``exact``: the study is deterministic, so the first value is the truth. ``scale``: the size of the values, which
    defines rounding. ``logs``: where both arms have losses above 0, the differences of their logarithms, and ``wider``:
    whether the logarithms of the first arm have at least the standard deviation of the second's, and vice versa. With
    tuning, the settings that seeds choose may not be the best; then at least one of the samples ``floors`` has a mean
    not above that of arms at their truly best settings, and one of ``ceilings`` a mean not below.
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
        """The sample by itself, at the settings that the seeds chose."""
        return replace(self, floors=(), ceilings=())


@dataclass(frozen=True)
class Evidence:
    """The evidence of a sample for a region.

    ``p_for`` is the smallest level at which the CI is inside the region, ``p_against`` the smallest at which it is
    outside; ``low`` and ``high`` are the CI of the level asked for. ``method``: "values" (deterministic, no test), "t",
    "sign", or "one seed" (no test). ``sizes`` are the distances of the estimate from each end of the region, positive
    inside, in units of the standard deviation (for "sign": the shares of the seeds inside). ``costs`` are by how much
    the uncertainty about the best settings reduces each of them, inside and outside, in standard errors; empty without
    tuning. ``logs``: whether p-values and sizes are those of the logarithms.
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
        """The sizes with ``n`` seeds: uncertainty about the best settings shrinks with the standard error."""
        return [size - cost[0] / math.sqrt(n) for size, cost in self._with_costs]

    def outside_at(self, n: int) -> float:
        """The size of the effect beyond the end of the region that is missed most, with ``n`` seeds."""
        if self.method == "sign":
            return max(1 - size for size in self.sizes)
        return max(-size - cost[1] / math.sqrt(n) for size, cost in self._with_costs)

    @property
    def _with_costs(self) -> list[tuple[float, tuple[float, float]]]:
        return list(zip(self.sizes, self.costs or [(0.0, 0.0)] * len(self.sizes), strict=True))


def judge(sample: Sample, region: Region, level: float = LEVEL) -> Evidence:
    """``weigh`` for tuned arms: what holds for the sample must hold for its floors and ceilings too.

    A value is shown to be above an end only where every floor is, and below only where every ceiling is. One of these
    tests has an error probability of at most half the ``level`` whatever the settings are worth, so all of them jointly
    have (intersection-union test, Berger 1982). The CI extends from the lowest of theirs to the highest.
    """
    evidence = weighed(sample, region, level)
    if evidence.method in ("values", "one seed") or not (sample.floors or sample.ceilings):
        return evidence
    inside, outside, costs, lows, highs = [], [], [], [evidence.low], [evidence.high]
    for end in _single(region):
        lower, upper, itself = (
            [weighed(bound, end, level) for bound in side] for side in (sample.floors, sample.ceilings, [sample.plain])
        )
        bounds_for, bounds_against = (lower, upper) if end.high == math.inf else (upper, lower)
        inside.append(max(bound.p_for for bound in [*itself, *bounds_for]))
        outside.append(max(bound.p_against for bound in [*itself, *bounds_against]))
        costs.append((_cost(itself[0], bounds_for, 1), _cost(itself[0], bounds_against, -1)))
        lows += [bound.low for bound in lower]
        highs += [bound.high for bound in upper]
    return replace(
        evidence,
        p_for=max(inside),
        p_against=min(outside),
        costs=tuple(costs),
        low=_furthest(min, lows),
        high=_furthest(max, highs),
    )


def _single(region: Region) -> list[Region]:
    """One region for each end of the region."""
    both = (Region(low=region.low, closed=region.closed), Region(high=region.high, closed=region.closed))
    return [end for end in both if _ends(end)]


def _cost(own: Evidence, others: Sequence[Evidence], sign: int) -> float:
    """By how many standard errors the least favourable of the others is behind."""
    if own.method != "t":
        return 0.0
    behind = [
        sign * (own.sizes[0] * math.sqrt(own.n) - other.sizes[0] * math.sqrt(other.n))
        for other in others
        if other.method == "t"
    ]
    return max([0.0, *behind])


def _furthest(pick: Callable[[list[float]], float], ends: list[float | None]) -> float | None:
    known = [end for end in ends if end is not None]
    return pick(known) if len(known) == len(ends) else None


def weighed(sample: Sample, region: Region, level: float = LEVEL) -> Evidence:
    """``weigh`` for a sample by itself; the direction of a difference of losses is also tested on their logarithms.

    A setting that is worse and noisier has a difference whose standard deviation hides it: with mean losses of 7.0 and
    0.3 the t test is not significant if one seed gave 20. The test of the logarithms is one-sided, and used only
    against the arm whose plain mean is worse and whose logarithms have at least the other's standard deviation; for
    such an arm a worse mean of logarithms implies a worse mean, since the mean of a skewed loss grows with both (of a
    lognormal one: exp(m + s^2 / 2)). Where all this holds the smaller of the two p-values is used. In simulations with
    equal means this adds nothing where one arm is noisier, and at most 1.5 percentage points to the 2.5 % of one side
    where both have spreads of a factor of e^2 (tests). A rank test keeps its level as well, but has no power with 5 or
    6 seeds once the level is divided among settings.
    """
    plain = weigh(sample.values, region, sample.exact, sample.scale, level)
    side = {(0.0, math.inf): 0, (-math.inf, 0.0): 1}.get((region.low, region.high))
    if plain.method != "t" or sample.logs is None or side is None or region.closed or plain.sizes[0] <= 0:
        return plain
    if not sample.wider[side] or sample.logs.std(ddof=1) <= SAME:
        return plain
    logs = _by_t(sample.logs, region, level)
    if logs.p_for >= plain.p_for:
        return plain
    return replace(plain, p_for=logs.p_for, p_against=logs.p_against, sizes=logs.sizes, logs=True)


def weigh(
    sample: np.ndarray, region: Region, exact: bool = False, scale: float = 0.0, level: float = LEVEL
) -> Evidence:
    """The evidence of a sample, one value per seed, at least one; trials that diverged are plus or minus infinity.

    In a deterministic study (``exact``) the first value is the truth. A finite sample is tested by Student's t (for a
    region with two ends: two one-sided tests, Schuirmann 1987). One with infinite values, or with a standard deviation
    that is only rounding at values of size ``scale``, is tested by the sign test of its median, with the CI between
    order statistics (Conover 1999, 3.2 and 3.4), which can be significant from 6 seeds on. ``level`` is two-sided.
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
    """Two-sided p-values: the claim holds where all ends are kept, and fails where one is not."""
    return min(1.0, 2 * max(inside)), min(1.0, 2 * min(outside))
