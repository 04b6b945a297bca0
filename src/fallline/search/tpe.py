"""The Tree-structured Parzen Estimator (Bergstra et al. 2011), fitted once for a whole batch, in NumPy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

GOOD = 0.25
"""The share of the best points that the good density is fitted to."""

CANDIDATES = 24
"""Candidates drawn for each point, of which the one with the largest ratio of densities is asked."""

NARROWEST = 0.02
"""The least width of a kernel, as a share of the range."""


def tpe(units: np.ndarray, order: np.ndarray, choices: Sequence[int], count: int, seed: int) -> np.ndarray:
    """``count`` points [count, dimensions] of the unit cube where good points are denser than others.

    ``units`` [points, dimensions] were tried, ``order`` are their indices from the best, ``choices`` the number of
    values of each dimension that is a choice, else 0. Dimensions are independent, as in the paper.
    """
    random = np.random.default_rng(seed)
    best = max(1, round(GOOD * len(order)))
    good, bad = units[order[:best]], units[order[best:]]
    columns, score = [], np.zeros(count * CANDIDATES)
    for column, values in enumerate(choices):
        kind = _Categories if values else _Kernels
        dense, sparse = kind(good[:, column], values), kind(bad[:, column], values)
        drawn = dense.draw(random, count * CANDIDATES)
        score += dense.log_density(drawn) - sparse.log_density(drawn)
        columns.append(drawn)
    chosen = score.reshape(count, CANDIDATES).argmax(1) + CANDIDATES * np.arange(count)
    return np.stack(columns, axis=1)[chosen]


class _Kernels:
    """A mixture of normal kernels on [0, 1), truncated, and a uniform one, which keeps the search open."""

    def __init__(self, centres: np.ndarray, _: int):
        self.centres = np.sort(centres)
        padded = np.concatenate([[0.0], self.centres, [1.0]])
        gaps = np.maximum(padded[1:-1] - padded[:-2], padded[2:] - padded[1:-1])
        self.widths = np.clip(gaps, max(NARROWEST, 1 / (1 + len(centres))), 1.0)

    def draw(self, random: np.random.Generator, count: int) -> np.ndarray:
        place = random.integers(0, len(self.centres) + 1, count)
        kernel = np.minimum(place, len(self.centres) - 1)
        low, high = self._cut()
        within = low[kernel] + random.random(count) * (high - low)[kernel]
        normal = self.centres[kernel] + self.widths[kernel] * _quantile(within)
        return np.clip(np.where(place == len(self.centres), random.random(count), normal), 0.0, 1 - 1e-9)

    def log_density(self, x: np.ndarray) -> np.ndarray:
        low, high = self._cut()
        z = (x[:, None] - self.centres) / self.widths
        kernels = np.exp(-0.5 * z**2) / (np.sqrt(2 * np.pi) * self.widths * (high - low))
        return np.log((kernels.sum(1) + 1.0) / (len(self.centres) + 1))

    def _cut(self) -> tuple[np.ndarray, np.ndarray]:
        """The probabilities of each kernel below 0 and below 1."""
        from scipy.special import ndtr

        return ndtr(-self.centres / self.widths), ndtr((1 - self.centres) / self.widths)


class _Categories:
    """Smoothed frequencies of the values of a choice."""

    def __init__(self, units: np.ndarray, values: int):
        counts = np.bincount(np.minimum((units * values).astype(int), values - 1), minlength=values) + 1.0
        self.shares = counts / counts.sum()

    def draw(self, random: np.random.Generator, count: int) -> np.ndarray:
        return (random.choice(len(self.shares), count, p=self.shares) + 0.5) / len(self.shares)

    def log_density(self, x: np.ndarray) -> np.ndarray:
        return np.log(self.shares[np.minimum((x * len(self.shares)).astype(int), len(self.shares) - 1)])


def _quantile(shares: np.ndarray) -> np.ndarray:
    from scipy.special import ndtri

    return ndtri(np.clip(shares, 1e-12, 1 - 1e-12))
