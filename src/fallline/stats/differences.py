"""Two arms paired over seeds: their differences, with those of the logarithms of losses, and equality but for
rounding."""

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
"""Two results are equal but for rounding up to this relative difference: optimizers that are identical at these
hyperparameters, such as FTRL at its defaults and Adagrad, differ by up to 3e-6 after 500 steps in float32, since they
sum in different orders."""

NOTHING = 1e-12
"""This share of the largest result of a run, at most 1, is rounding: the square of some float32 roundings, which is
what remains of a squared error that went to 0."""


def negligible(values: np.ndarray) -> float:
    """The absolute difference that is rounding among the finite results of a run."""
    return NOTHING * min(size(values), 1.0)


def size(values: np.ndarray) -> float:
    """The greatest finite magnitude."""
    return float(np.abs(values[np.isfinite(values)]).max(initial=0.0))


def alike(first: np.ndarray, second: np.ndarray, nothing: float = 0.0) -> np.ndarray:
    """Which results are equal but for rounding; two infinite ones are."""
    with np.errstate(invalid="ignore"):
        slack = np.maximum(ROUNDING * np.minimum(np.abs(first), np.abs(second)), nothing)
        return (first == second) | (np.abs(first - second) <= slack)


def difference(first: Arm, second: Arm, up: bool, nothing: float = 0.0) -> Sample:
    """First minus second at each common seed, in the order of seeds; ``up``: larger values are better.

    A diverged trial is worse than any finished one: the difference is infinite. Two diverged trials are equal; so are
    two values that differ by rounding or at most by ``nothing``. An arm at the settings its seeds chose is no better
    than at its truly best setting, which is one of its contenders: so the first minus each contender of the second
    bounds the advantage of the first, and vice versa.
    """
    exact = first.exact and second.exact
    ahead = [] if exact else [(first.sample, contender) for contender in second.contenders]
    behind = [] if exact else [(contender, second.sample) for contender in first.contenders]
    floors, ceilings = (
        tuple(one for one in (_minus(*pair, up, nothing) for pair in side) if len(one.values) > 1)
        for side in ((ahead, behind) if up else (behind, ahead))
    )
    return replace(_minus(first.sample, second.sample, up, nothing), exact=exact, floors=floors, ceilings=ceilings)


def itself(arm: Arm, up: bool) -> Sample:
    """The values of one arm, with its contenders as bounds: its truly best setting may be better than those chosen."""
    values = np.array([arm.sample[seed] for seed in sorted(arm.sample)])
    every = (
        ()
        if arm.exact
        else tuple(
            Sample(np.array(list(contender.values())), scale=size(values))
            for contender in arm.contenders
            if len(contender) > 1
        )
    )
    floors, ceilings = ((), every) if up else (every, ())
    return Sample(values, arm.exact, size(values), floors, ceilings)


def _minus(first: dict[int, float], second: dict[int, float], up: bool, nothing: float) -> Sample:
    seeds = sorted(first.keys() & second.keys())
    a, b = (np.array([one[seed] for seed in seeds]) for one in (first, second))
    return paired_sample(a, b, losses=not up, nothing=nothing)


def trained_alike(first: Arm, second: Arm) -> bool:
    """Whether two arms at their chosen settings have the same training loss at every seed but for rounding; True where
    none was recorded."""
    if any(LOSS not in arm.rows.columns for arm in (first, second)):
        return True
    rows = [arm.chosen_rows.sort("seed").select("seed", LOSS).to_numpy() for arm in (first, second)]
    return rows[0].shape == rows[1].shape and bool(alike(*rows).all())


def paired_sample(first: np.ndarray, second: np.ndarray, losses: bool = True, nothing: float = 0.0) -> Sample:
    """First minus second, one value per seed, 0 where they are equal but for rounding.

    With the differences of their logarithms where they are ``losses`` (smaller is better) and all above 0.
    """
    same, scale = alike(first, second, nothing), max(size(first), size(second))
    with np.errstate(invalid="ignore"):
        values = np.where(same, 0.0, first - second)
    both = np.concatenate([first, second])
    if not losses or len(values) < 2 or not (np.isfinite(both) & (both > 0)).all():
        return Sample(values, scale=scale)
    logs = np.log(first), np.log(second)
    spreads = [float(log.std(ddof=1)) for log in logs]
    return Sample(
        values,
        scale=scale,
        logs=np.where(same, 0.0, logs[0] - logs[1]),
        wider=(spreads[0] >= spreads[1], spreads[1] >= spreads[0]),
    )


def levelled(values: np.ndarray, nothing: float = 0.0) -> np.ndarray:
    """``values`` [arms, seeds] where those of a seed that are equal but for rounding are made equal; NaN stays."""
    found = values.copy()
    for column in found.T:
        order = [place for place in np.argsort(column, kind="stable") if not np.isnan(column[place])]
        for before, place in itertools.pairwise(order):
            if alike(column[before], column[place], nothing):
                column[place] = column[before]
    return found
