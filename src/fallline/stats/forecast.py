"""How many seeds would settle a claim: power at the effect and the spread that were seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
"""Beyond this no number of seeds is called feasible."""

NORMAL_FROM = 1000
"""Degrees of freedom from which Student's t is taken as normal."""


def seeds_to_settle(parts: Sequence[Evidence], level: float = LEVEL) -> int | None:
    """The least number of seeds that settles an undecided claim with a power of at least 80 %; None beyond 10,000.

    Where all parts lean towards the claim, all must come out: the chances of failing, added up, stay under 20 %. Where
    some lean against it, one of them that comes out at its share of the level refutes it.
    """
    seen = [part for part in parts if part.sizes]
    against = [part for part in seen if not part.leans_for]
    if against:
        found = [_least(lambda n, part=part: failing(n, part.method, [part.outside_at(n)], level / len(seen)))
                 for part in against]
        return min((n for n in found if n is not None), default=None)
    return _least(lambda n: sum(failing(n, method, [size for part in seen if part.method == method
                                                    for size in part.inside_at(n)], level) for method in ("t", "sign")))


def failing(n: int, method: str, sizes: Sequence[float], level: float = LEVEL) -> float:
    """The chances, added up, that tests of these true sizes do not come out with ``n`` seeds: an upper bound for all.

    A size is the effect in units of the sd for "t" (power of the noncentral t), the share of seeds on the right side
    for "sign" (binomial).
    """
    if not sizes:
        return 0.0
    if method == "sign":
        return float(binomial_at_most(even_binomial_quantile(1 - level / 2, n), n, np.asarray(sizes)).sum())
    critical = t_quantile(1 - level / 2, n - 1)
    centre = np.asarray(sizes, float) * n**0.5
    chances = normal_below(critical - centre)
    if n <= NORMAL_FROM:
        near = centre < critical + 12  # further off the chance is nil, and the noncentral t not to be computed
        chances = np.where(near, noncentral_t_below(critical, n - 1, np.where(near, centre, 0.0)), 0.0)
    return float(chances.sum())


def _least(failing_at: Callable[[int], float]) -> int | None:
    """The least n from 2 on at which it fails in at most 20 % of cases, given that it falls with n."""
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
