"""Seeds needed to decide a claim: power at the observed effect and standard deviation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from fallline.stats.distributions import (
    binomial_at_most,
    even_binomial_quantile,
    noncentral_t_below,
    normal_below,
    t_quantile,
)
from fallline.stats.evidence import LEVEL, Evidence

POWER = 0.8
MOST_SEEDS = 10_000
"""More seeds are called not feasible."""

NO_FORECAST = 2
"""Up to so many seeds nothing is forecast: the standard deviation of two differences is too uncertain."""

NORMAL_FROM = 1000
"""Degrees of freedom from which Student's t is approximated by the normal distribution."""


def hedges(freedom: int) -> float:
    """The factor that makes an effect size, mean over standard deviation, unbiased: with few seeds it is too large
    (Hedges 1981, Journal of Educational Statistics 6, 107, equation 6e): J = gamma(m / 2) / (sqrt(m / 2)
    gamma((m - 1) / 2))."""
    if freedom < 2:
        return 0.0
    return math.exp(math.lgamma(freedom / 2) - math.lgamma((freedom - 1) / 2)) / math.sqrt(freedom / 2)


def pilots(seen: Evidence) -> tuple[Evidence, Evidence]:
    """The observed evidence with the effect sizes that a forecast uses: the likely ones, and smaller ones.

    A small pilot often overestimates the effect, so that the seeds it asks for have too little power: 54 to 77 % on
    average over pilots of 3 to 6 seeds and effects of 0.4 to 1.5 standard deviations, where 80 % is wanted. With
    Hedges' correction they have 70 to 87 %, and with the effect half a standard error smaller 84 to 92 % (simulated):
    the first is the lower end of a range of seeds, the second its upper end. Shares of seeds (sign test) are unbiased;
    the smaller ones are half a standard error nearer to 1/2, as if one more seed had been a tie.
    """
    if seen.method == "sign":
        likely, middle = list(seen.sizes), 0.5
        shrunk = [(size * seen.n + 0.5) / (seen.n + 1) for size in likely]
        errors = [
            2 * abs(size - share) + math.sqrt(share * (1 - share) / (seen.n + 2))
            for size, share in zip(likely, shrunk, strict=True)
        ]
    else:
        likely = [size * hedges(seen.n - 1) for size in seen.sizes]
        errors, middle = [math.sqrt(1 / seen.n + size**2 / (2 * seen.n)) for size in likely], 0.0
    smaller = [
        middle + math.copysign(max(abs(size - middle) - error / 2, 0.0), size - middle)
        for size, error in zip(likely, errors, strict=True)
    ]
    return replace(seen, sizes=tuple(likely)), replace(seen, sizes=tuple(smaller))


def seeds_range(parts: Sequence[Evidence], level: float = LEVEL) -> tuple[int | None, int | None]:
    """From how many seeds to how many an undecided claim with these parts is decided with a power of 80 %, by
    ``pilots``; None: more than 10,000, and both None where some part has two seeds."""
    if any(part.n <= NO_FORECAST for part in parts if part.sizes):
        return None, None
    likely, smaller = zip(*(pilots(part) for part in parts), strict=True)
    return seeds_to_settle(likely, level), seeds_to_settle(smaller, level)


def seeds_to_settle(parts: Sequence[Evidence], level: float = LEVEL) -> int | None:
    """The smallest number of seeds that decides an undecided claim with a power of at least 80 % if effects and
    standard deviations are those observed; None beyond 10,000.

    Where all parts point towards the claim, all must be significant: the sum of the probabilities of failing is at most
    20 %. Where some point against it, one of them that is significant at its share of the level refutes it.
    """
    seen = [part for part in parts if part.sizes]
    against = [part for part in seen if not part.leans_for]
    if against:
        found = [
            _least(lambda n, part=part: failing(n, part.method, [part.outside_at(n)], level / len(seen)))
            for part in against
        ]
        return min((n for n in found if n is not None), default=None)
    return _least(
        lambda n: sum(
            failing(n, method, [size for part in seen if part.method == method for size in part.inside_at(n)], level)
            for method in ("t", "sign")
        )
    )


def failing(n: int, method: str, sizes: Sequence[float], level: float = LEVEL) -> float:
    """The sum of the probabilities that tests of these true effect sizes are not significant with ``n`` seeds: an upper
    bound of the probability that any is not.

    A size is the effect in standard deviations for "t" (noncentral t), the share of seeds on the side of the effect for
    "sign" (binomial).
    """
    if not sizes:
        return 0.0
    if method == "sign":
        return float(binomial_at_most(even_binomial_quantile(1 - level / 2, n), n, np.asarray(sizes)).sum())
    critical = t_quantile(1 - level / 2, n - 1)
    centre = np.asarray(sizes, float) * n**0.5
    chances = normal_below(critical - centre)
    if n <= NORMAL_FROM:
        near = centre < critical + 12  # beyond this the probability is 0, and the noncentral t cannot be computed
        chances = np.where(near, noncentral_t_below(critical, n - 1, np.where(near, centre, 0.0)), 0.0)
    return float(chances.sum())


def _least(failing_at: Callable[[int], float]) -> int | None:
    """The smallest n from 2 on with a probability of failing of at most 20 %, given that it falls with n."""
    high = 2
    while failing_at(high) > 1 - POWER:
        if high == MOST_SEEDS:
            return None
        high = min(2 * high, MOST_SEEDS)
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if failing_at(middle) <= 1 - POWER else (middle, high)
    return max(high, 2)
