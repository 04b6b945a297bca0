"""Which hyperparameters of a search decided its outcome."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

BEST = 0.25
"""The share of the settings that counts as good."""

GRID = 64
"""Points of the unit interval at which densities are compared."""

DRAWS = 200
"""Bootstrap samples of the settings."""

LEAST = 8
"""With fewer settings nothing is said."""


class Importance(NamedTuple):
    """Shares that add up to 1, one per hyperparameter, with the 95 % interval of each by bootstrap over settings."""

    share: np.ndarray
    low: np.ndarray
    high: np.ndarray


def importance(units: np.ndarray, values: np.ndarray, seed: int = 0) -> Importance | None:
    """The importance of each hyperparameter by PED-ANOVA (Watanabe, Bansal and Hutter, 2023): how much the
    distribution of its values among the best settings differs from that among all.

    ``units`` [settings, hyperparameters] are places in the searched ranges from 0 to 1, ``values`` [settings] what was
    reached, larger is better, -inf where a setting diverged. The settings need not be uniform. None for fewer than
    ``LEAST`` settings.
    """
    count, dimensions = units.shape
    if count < LEAST or dimensions == 0:
        return None
    shares = _shares(units, values)
    random = np.random.default_rng(seed)
    drawn = []
    for _ in range(DRAWS):
        rows = random.integers(0, count, count)
        drawn.append(_shares(units[rows], values[rows]))
    low, high = np.quantile(drawn, (0.025, 0.975), axis=0)
    return Importance(shares, np.minimum(low, shares), np.maximum(high, shares))


def _shares(units: np.ndarray, values: np.ndarray) -> np.ndarray:
    best = np.argsort(-values, kind="stable")[: max(2, round(BEST * len(values)))]
    found = np.array([_divergence(column[best], column) for column in units.T])
    return found / found.sum() if found.sum() > 0 else np.full(len(found), 1 / len(found))


def _divergence(best: np.ndarray, every: np.ndarray) -> float:
    """The Pearson divergence of the density of the best from that of all."""
    good, all_ = _density(best, every), _density(every, every)
    return float(np.mean((good / all_ - 1) ** 2 * all_))


def _density(points: np.ndarray, every: np.ndarray) -> np.ndarray:
    """A Gaussian kernel density on the grid, mirrored at 0 and 1; the width is that for all settings (Scott, 1992), so
    that fewer points are not smoothed more."""
    width = max(1.06 * float(every.std()) * len(every) ** -0.2, 1 / GRID)
    grid = (np.arange(GRID) + 0.5) / GRID
    mirrored = np.concatenate([points, -points, 2 - points])
    density = np.exp(-0.5 * ((grid[:, None] - mirrored) / width) ** 2).sum(1)
    return density / density.mean() + 1e-9
