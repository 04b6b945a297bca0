"""Bands of performance profiles by a bootstrap over the seeds of each problem."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

DRAWS = 2000
"""Resamples, always the same."""

ENDS = (0.025, 0.975)

PIECE = 2**22
"""Numbers that are held in memory at a time."""


def resampled_costs(problems: Sequence[Sequence[dict[int, float]]]) -> np.ndarray | None:
    """The costs [draws, problems, arms] of resampled seeds; ``problems`` has the cost by seed of each arm per problem.

    A cost is the median over seeds, as in the profile; a run that misses the target counts as infinite. The seeds of a
    problem are drawn jointly for all arms, since a seed gives all of them the same initial weights and batches: those
    that all arms have; with fewer than two of these, all seeds are used without resampling. None where no problem has
    two seeds. Problems are not resampled: bands show the variation over seeds on these problems (stratified bootstrap,
    as Agarwal et al., Deep reinforcement learning at the edge of the statistical precipice, 2021, section 4.3).
    """
    random, found, drawn = np.random.default_rng(0), [], False
    for arms in problems:
        seeds = sorted(set.intersection(*(set(arm) for arm in arms)))
        if len(seeds) < 2:
            own = np.array([median(np.array(list(arm.values()))) for arm in arms])
            found.append(np.broadcast_to(own, (DRAWS, len(arms))))
            continue
        places, drawn = random.integers(0, len(seeds), (DRAWS, len(seeds))), True
        found.append(np.stack([median(np.array([arm[seed] for seed in seeds])[places]) for arm in arms], axis=-1))
    return np.stack(found, axis=1) if drawn else None


def median(values: np.ndarray) -> np.ndarray:
    """The median along the last axis; with an even count the mean of the middle two, infinite where one of them is."""
    ordered, n = np.sort(values, axis=-1), values.shape[-1]
    return (ordered[..., (n - 1) // 2] + ordered[..., n // 2]) / 2


def profile_band(own: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ends, at each ratio in ``at``, of the 95 % band of a profile; ``own`` [draws, problems] are its ratios."""
    step = max(PIECE // own.size, 1)
    pieces = [
        np.quantile((own[..., None] <= at[start : start + step]).mean(1), ENDS, axis=0)
        for start in range(0, len(at), step)
    ]
    low, high = np.concatenate(pieces, axis=1)
    return low, high


def score_band(own: np.ndarray, widest: float) -> tuple[float, float]:
    """The ends of the 95 % CI of an arm's score; ``own`` [draws, problems] are its ratios."""
    low, high = np.quantile(np.clip((widest - own) / (widest - 1), 0, 1).mean(1), ENDS)
    return float(low), float(high)
