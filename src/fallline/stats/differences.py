"""Two arms seed by seed: their differences, with the logarithms of losses, and what is the same but for rounding."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from fallline.stats.evidence import Sample

if TYPE_CHECKING:
    from fallline.stats.arms import Arm

LOSS = "final_train_loss"

ROUNDING = 1e-5
"""Two results that differ by no more than this share of their size are the same: rules that are one rule at these
numbers, such as FTRL at its defaults and Adagrad, differ by up to 3e-6 after 500 steps in float32, since each sums in
an order of its own."""

NOTHING = 1e-12
"""Of the largest result of a run, at most 1, this share is nothing: the square of some roundings of float32, which is
what is left of a squared error that went to 0."""


def negligible(values: np.ndarray) -> float:
    """What counts as nothing beside all results of a run; NaN and infinite ones are not asked."""
    return NOTHING * min(size(values), 1.0)


def size(values: np.ndarray) -> float:
    """The greatest finite magnitude."""
    return float(np.abs(values[np.isfinite(values)]).max(initial=0.0))


def alike(first: np.ndarray, second: np.ndarray, nothing: float = 0.0) -> np.ndarray:
    """Which results are the same but for rounding; two infinite ones are."""
    with np.errstate(invalid="ignore"):
        slack = np.maximum(ROUNDING * np.minimum(np.abs(first), np.abs(second)), nothing)
        return (first == second) | (np.abs(first - second) <= slack)


def difference(first: Arm, second: Arm, up: bool, nothing: float = 0.0) -> Sample:
    """First minus second at each seed that both have, in the order of seeds; ``up`` where larger values are better.

    A diverged trial is worse than any finished one: the difference is infinite. Two diverged trials are equal; so are
    two values that differ by rounding or by no more than ``nothing``. An arm at what its seeds chose is no better than
    at its truly best setting, and that is one of its contenders: so the first minus each contender of the second bounds
    what the first has ahead, and likewise the other way round.
    """
    exact = first.exact and second.exact
    ahead = [] if exact else [(first.sample, one) for one in second.contenders]
    behind = [] if exact else [(one, second.sample) for one in first.contenders]
    floors, ceilings = (
        tuple(one for one in (_minus(*pair, up, nothing) for pair in side) if len(one.values) > 1)
        for side in ((ahead, behind) if up else (behind, ahead))
    )
    return replace(_minus(first.sample, second.sample, up, nothing), exact=exact, floors=floors, ceilings=ceilings)


def itself(arm: Arm, up: bool) -> Sample:
    """The arm's own values; its truly best setting may be better than what its seeds chose."""
    values = np.array([arm.sample[seed] for seed in sorted(arm.sample)])
    every = (
        ()
        if arm.exact
        else tuple(Sample(np.array(list(one.values())), scale=size(values)) for one in arm.contenders if len(one) > 1)
    )
    floors, ceilings = ((), every) if up else (every, ())
    return Sample(values, arm.exact, size(values), floors, ceilings)


def _minus(first: dict[int, float], second: dict[int, float], up: bool, nothing: float) -> Sample:
    seeds = sorted(first.keys() & second.keys())
    a, b = (np.array([one[seed] for seed in seeds]) for one in (first, second))
    return paired_sample(a, b, losses=not up, nothing=nothing)


def trained_alike(first: Arm, second: Arm) -> bool:
    """Whether the settings chosen for two arms have the same training loss at every seed but for rounding; where none
    was recorded it is taken so."""
    if any(LOSS not in arm.rows.columns for arm in (first, second)):
        return True
    rows = [arm.chosen_rows.sort("seed").select("seed", LOSS).to_numpy() for arm in (first, second)]
    return rows[0].shape == rows[1].shape and bool(alike(*rows).all())


def paired_sample(first: np.ndarray, second: np.ndarray, losses: bool = True, nothing: float = 0.0) -> Sample:
    """First minus second, one value a seed, 0 where they are the same but for rounding.

    With the differences of their logarithms where they are ``losses``, smaller being better, and all above 0.
    """
    same, scale = alike(first, second, nothing), max(size(first), size(second))
    with np.errstate(invalid="ignore"):
        values = np.where(same, 0.0, first - second)
    both = np.concatenate([first, second])
    if not losses or len(values) < 2 or not (np.isfinite(both) & (both > 0)).all():
        return Sample(values, scale=scale)
    logs = np.log(first), np.log(second)
    spreads = [float(one.std(ddof=1)) for one in logs]
    return Sample(
        values,
        scale=scale,
        logs=np.where(same, 0.0, logs[0] - logs[1]),
        wider=(spreads[0] >= spreads[1], spreads[1] >= spreads[0]),
    )


def levelled(values: np.ndarray, nothing: float = 0.0) -> np.ndarray:
    """``values`` [arms, seeds] with those of a seed that are the same but for rounding made equal; NaN stays."""
    found = values.copy()
    for column in found.T:
        order = [place for place in np.argsort(column, kind="stable") if not np.isnan(column[place])]
        for before, place in itertools.pairwise(order):
            if alike(column[before], column[place], nothing):
                column[place] = column[before]
    return found
