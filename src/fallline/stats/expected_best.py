"""Expected best by search budget: the expected best of k settings drawn at random from those that were tried."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

RESAMPLES = 2000
LEVEL = 0.05
MOST_DRAWS = 4_000_000
"""With very many settings fewer resamples are drawn, at least 200."""

MOST_TRIES = 30
"""Points of a curve; with more settings they are evenly spaced in the logarithm of k."""


def expected_best(values: np.ndarray, tries: Sequence[int], up: bool = True) -> np.ndarray:
    """The expected best of k values drawn at random, with replacement, from ``values`` [..., N], for each k in
    ``tries``: [..., tries].

    With x(1) ... x(N) from worst to best it is ``sum_i x(i) ((i/N)^k - ((i-1)/N)^k)``: the probability that the best of
    k draws is x(i). k = 1 gives the mean, a large k the best. Source: Dodge, Gururangan, Card, Schwartz and Smith, Show
    your work, 2019, equation 5. Every value must be finite.

    >>> expected_best(np.array([0.2, 0.8]), [1, 2]).round(4).tolist()
    [0.5, 0.65]
    """
    ordered = np.sort(values, axis=-1)
    return (ordered if up else ordered[..., ::-1]) @ _chances(ordered.shape[-1], tries)


def _chances(n: int, tries: Sequence[int]) -> np.ndarray:
    """The probability that the best of k draws is the i-th from the worst: [n, tries]."""
    shares = np.arange(n + 1)[:, None] / n
    return np.diff(shares ** np.asarray(tries, float)[None, :], axis=0)


def band(values: np.ndarray, lost: np.ndarray, worst: float, tries: Sequence[int], up: bool = True) -> np.ndarray:
    """The 95 % bootstrap band of ``expected_best``: [2, tries], low and high; NaN where there is nothing to resample.

    ``values`` [settings, seeds] are NaN where there is no trial; settings that are ``lost`` count as ``worst``.
    Settings are resampled with replacement, and jointly with them the seeds of their means (percentile bootstrap, Efron
    1979). The order of settings changes nothing, and the draws are always the same. The upper end for the best of many
    settings is never above the best value observed: there the band is too narrow.
    """
    n, seeds = values.shape
    if n == 1 and (seeds == 1 or lost.all()):
        return np.full((2, len(tries)), np.nan)
    order = np.lexsort((*values.T[::-1], lost))
    values, lost = values[order], lost[order]
    resamples = int(np.clip(MOST_DRAWS // n, 200, RESAMPLES))
    random = np.random.default_rng(0)
    times = random.multinomial(seeds, np.full(seeds, 1 / seeds), resamples).T  # [seeds, resamples]
    means = _means(values, times)
    means[lost] = worst
    drawn = random.integers(n, size=(resamples, n))
    found = expected_best(means[drawn, np.arange(resamples)[:, None]], tries, up)
    return np.quantile(found, [LEVEL / 2, 1 - LEVEL / 2], axis=0)


def _means(values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Means over seeds weighted by ``times``: [settings, resamples]; where no seed of a setting was drawn, the mean of
    all its seeds."""
    there = ~np.isnan(values)
    kept = np.where(there, values, 0.0)
    counts = there.astype(float) @ times
    whole = kept.sum(1, keepdims=True) / np.maximum(there.sum(1, keepdims=True), 1)
    return np.where(counts > 0, (kept @ times) / np.maximum(counts, 1), whole)


def points(n: int) -> list[int]:
    """The search budgets to show for ``n`` settings: 1 to n, evenly spaced in the logarithm where they are many."""
    if n <= MOST_TRIES:
        return list(range(1, n + 1))
    return sorted({round(float(k)) for k in np.geomspace(1, n, MOST_TRIES)})
