"""Quantiles and tails of distributions from ``scipy.special``; ``scipy.stats`` has the same values, but takes most of a
second to import."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from typing import Any

import numpy as np

FLIPS_AT_ONCE = 512
"""Random sign flips that are drawn at a time."""

HELD = 2**21
"""Means under sign flips that are held in memory at a time."""


@cache
def _special() -> Any:
    """``scipy.special``, imported with the first value that is computed."""
    from scipy import special

    return special


@lru_cache(maxsize=4096)
def t_quantile(share: float, freedom: int) -> float:
    """The quantile ``share`` of Student's t with ``freedom`` degrees of freedom."""
    return float(_special().stdtrit(freedom, share))


def t_above(value: float, freedom: int) -> float:
    """The probability that Student's t with ``freedom`` degrees of freedom exceeds ``value``."""
    return float(_special().stdtr(freedom, -value))


def noncentral_t_below(value: float, freedom: int, centres: np.ndarray) -> np.ndarray:
    """The probability that the noncentral t is below ``value``, for each noncentrality in ``centres``."""
    return _special().nctdtr(freedom, centres, value)


def normal_below(values: np.ndarray | float) -> np.ndarray:
    """The probabilities that a standard normal is below ``values``."""
    return _special().ndtr(values)


def binomial_at_most(counts: Any, of: Any, chance: Any) -> np.ndarray:
    """The probabilities of at most ``counts`` successes in ``of`` trials that succeed with ``chance`` each."""
    counts, of = np.asarray(counts, float), np.asarray(of, float)
    inside = (counts >= 0) & (counts < of)
    held = np.where(inside, counts, 0.0)
    return np.where(inside, _special().betainc(np.maximum(of - held, 1.0), held + 1, 1 - chance), counts >= of)


def even_binomial_from(count: int, of: int) -> float:
    """The probability of ``count`` heads or more in ``of`` throws of a fair coin."""
    return float(_special().betainc(count, of - count + 1, 0.5)) if 0 < count <= of else float(count <= 0)


@lru_cache(maxsize=4096)
def even_binomial_quantile(share: float, of: int) -> int:
    """The least number of heads in ``of`` throws that is not exceeded with a probability of ``share`` or more."""
    near = max(math.ceil(_special().bdtrik(share, of, 0.5)) - 1, 0)
    return next(heads for heads in range(near, of + 1) if binomial_at_most(heads, of, 0.5) >= share)


def beta_quantile(share: float, a: float, b: float) -> float:
    """The value that a beta distribution stays under with probability ``share``."""
    return float(_special().betaincinv(a, b, share))


def average_ranks(values: np.ndarray) -> np.ndarray:
    """The rank of each value, 1 for the least; equal ones share the mean of their ranks."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[places]


def signed_rank_p(ranks: np.ndarray) -> np.ndarray:
    """Both sides of Wilcoxon's signed-rank test; ``ranks`` [samples, n] are 1 to n with signs, none alike, none 0.

    Exact up to 50 values, beyond that by the normal approximation without correction, as ``scipy.stats.wilcoxon``.
    """
    n = ranks.shape[1]
    above = np.where(ranks > 0, ranks, 0.0).sum(1)
    if n > 50:
        spread = math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
        return 2 * normal_below(-np.abs((above - n * (n + 1) / 4) / spread))
    below = np.cumsum(_signed_rank_chances(n))
    less = np.minimum(above, n * (n + 1) / 2 - above).astype(int)
    return np.minimum(2 * below[less], 1.0)


@lru_cache(maxsize=64)
def _signed_rank_chances(n: int) -> np.ndarray:
    """The probability of each sum of the positive ranks among 1 to n, where each sign is a fair coin."""
    chances = np.ones(1)
    for rank in range(1, n + 1):
        held = np.zeros(len(chances) + rank)
        held[: len(chances)] += chances / 2
        held[rank:] += chances / 2
        chances = held
    return chances


def sign_flip_p(samples: np.ndarray, most: int) -> np.ndarray:
    """Both sides of the mean of each of ``samples`` [samples, n] among the ways to flip its signs.

    All of them where they are ``most`` or fewer, else ``most`` random ones, always the same, with the sample itself
    counted among them (Phipson and Smyth 2010). Means are equal within 100 roundings of what was seen.
    """
    ways = 2 ** samples.shape[1]
    if ways > most:
        return _share_beyond(samples, _random_flips(samples, most), most, 1)
    together = max(HELD // ways, 1)
    pieces = [samples[start : start + together] for start in range(0, len(samples), together)]
    return np.concatenate([_share_beyond(piece, [_every_flip(piece)], ways, 0) for piece in pieces])


def _share_beyond(samples: np.ndarray, flipped: Iterable[np.ndarray], count: int, itself: int) -> np.ndarray:
    """Twice the share of the ``count`` ``flipped`` means [flips, samples] beyond each sample's own mean."""
    seen = samples.mean(axis=1)
    slack = np.abs(100 * np.finfo(float).eps * seen)
    less = more = np.zeros(len(samples), int)
    for means in flipped:
        less, more = less + (means <= seen + slack).sum(0), more + (means >= seen - slack).sum(0)
    return np.minimum(2 * (np.minimum(less, more) + itself) / (count + itself), 1.0)


def _every_flip(samples: np.ndarray) -> np.ndarray:
    """The means [2^n, samples] under every flip."""
    sums = np.stack([samples[:, 0], -samples[:, 0]])
    for values in samples.T[1:]:
        sums = np.concatenate([sums + values, sums - values])
    return sums / samples.shape[1]


def _random_flips(samples: np.ndarray, count: int) -> Iterator[np.ndarray]:
    """The means [flips, samples] under random flips, piece by piece."""
    n, random = samples.shape[1], np.random.default_rng(0)
    for done in range(0, count, FLIPS_AT_ONCE):
        places = random.permuted(np.tile(np.arange(2), (FLIPS_AT_ONCE, n, 1)), axis=-1)[: count - done, :, 0]
        signs = 1.0 - 2.0 * places
        sums = signs[:, :1] * samples[:, 0]
        for seed in range(1, n):
            sums = sums + signs[:, seed, None] * samples[:, seed]
        yield sums / n
