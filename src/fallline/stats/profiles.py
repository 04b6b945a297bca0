"""Who is fast, and how often: steps and seconds to a target, and performance profiles over several problems."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from fallline.errors import StudyError, UnknownName
from fallline.stats.arms import Arm, Settings
from fallline.stats.compare import compared
from fallline.stats.metric import curve_column, direction
from fallline.stats.profile_bands import median, profile_band, resampled_costs, score_band
from fallline.stats.question import by_default
from fallline.stats.seconds_alone import seconds_alone
from fallline.store import Run

WIDEST = 4.0
"""Profiles are drawn and scored up to this ratio: what takes more than four times as long counts as not solved."""

SHARE = 0.9
"""Where a study names no target: this much of the way from the first value to the best one that any arm ended with."""

BETWEEN = tuple(np.geomspace(1.0, WIDEST, 25))
"""Ratios at which a band is known, beside the corners of the profiles."""

Key = tuple[Any, ...]


@dataclass(frozen=True)
class Goal:
    """What had to be reached: a value of ``metric`` (as in the curves), from below where ``up``; ``set_after`` the run,
    from its results, or before."""

    metric: str
    value: float
    up: bool = False
    set_after: bool = False


@dataclass(frozen=True)
class Reach:
    """How an arm at its chosen ``settings`` got to the goal: medians over ``n`` seeds, misses infinite.

    ``reached`` counts the seeds that did; ``seconds`` (without compiling and evaluating) is None where no trial's own
    time is known. ``steps_by_seed`` and ``seconds_by_seed`` are what the medians are of.
    """

    steps: float
    seconds: float | None
    n: int
    reached: int
    settings: Settings
    steps_by_seed: dict[int, float]
    seconds_by_seed: dict[int, float]


@dataclass(frozen=True)
class Problem:
    """One task of one run: what its arms share (``within``), the goal, and each arm's way to it."""

    run: str
    within: Settings
    goal: Goal
    arms: dict[Key, Reach]
    every: int | None
    """Steps between two looks: steps to the goal are known to that."""


@dataclass(frozen=True, eq=False)
class Profiles:
    """Costs of the arms on problems that all of them met: ``steps`` and ``seconds`` [problems, arms], infinite where an
    arm missed; ``seconds`` is None where some are not known. ``left_out`` are arms that did not meet every problem."""

    by: tuple[str, ...]
    problems: tuple[Problem, ...]
    arms: tuple[Key, ...]
    left_out: tuple[Key, ...]
    steps: np.ndarray
    seconds: np.ndarray | None

    @property
    def ratios(self) -> np.ndarray:
        return ratios(self.steps)

    @cached_property
    def step_draws(self) -> np.ndarray | None:
        """Ratios [draws, problems, arms] of resampled seeds by steps; None where every problem has one seed."""
        return self._draws("steps_by_seed")

    @cached_property
    def second_draws(self) -> np.ndarray | None:
        """The same by seconds."""
        return None if self.seconds is None else self._draws("seconds_by_seed")

    def _draws(self, name: str) -> np.ndarray | None:
        costs = resampled_costs([[getattr(problem.arms[key], name) for key in self.arms] for problem in self.problems])
        return None if costs is None else ratios(costs)

    def _drawn(self, costs: np.ndarray | None) -> np.ndarray | None:
        return (
            self.step_draws
            if costs is None or costs is self.steps
            else (self.second_draws if costs is self.seconds else None)
        )

    def table(self, costs: np.ndarray | None = None) -> pl.DataFrame:
        """One row an arm, the best score first: the columns ``by``; problems, reached, first (counts of problems);
        within_2 and within_4 (shares of problems solved in so many times the least cost); score (see ``score``) with
        its 95 % interval score_low to score_high by bootstrap over seeds (null where every problem has one seed);
        geometric_mean of the ratios, infinite where a problem was missed; and common_geometric_mean over the
        ``common`` problems that every arm solved (null where there is none). ``costs`` are the steps by default."""
        drawn = self._drawn(costs)
        found = ratios(self.steps if costs is None else costs)
        solved = np.isfinite(found).all(1)
        rows = []
        for place, key in enumerate(self.arms):
            own = found[:, place]
            low, high = (None, None) if drawn is None else score_band(drawn[..., place], WIDEST)
            rows.append(
                dict(zip(self.by, key, strict=True))
                | {
                    "problems": len(own),
                    "reached": int(np.isfinite(own).sum()),
                    "first": int((own == 1).sum()),
                    "within_2": float((own <= 2).mean()),
                    "within_4": float((own <= WIDEST).mean()),
                    "score": score(own),
                    "score_low": low,
                    "score_high": high,
                    "geometric_mean": geometric_mean(own),
                    "common": int(solved.sum()),
                    "common_geometric_mean": geometric_mean(own[solved]) if solved.any() else None,
                }
            )
        floats = dict.fromkeys(("common_geometric_mean", "score_low", "score_high"), pl.Float64)
        table = pl.DataFrame(rows, schema_overrides=floats, infer_schema_length=None)
        return table.sort("score", "geometric_mean", *self.by, descending=[True, False, *(False for _ in self.by)])

    def curves(self, costs: np.ndarray | None = None) -> pl.DataFrame:
        """One row an arm and corner of its profile: the columns ``by``, ratio (from 1 to 4), share of problems solved
        within that ratio of the least cost, and low and high, the 95 % band by bootstrap over seeds (null where every
        problem has one seed)."""
        found, drawn = ratios(self.steps if costs is None else costs), self._drawn(costs)
        between = [] if drawn is None else BETWEEN
        corners = np.unique([1.0, WIDEST, *found[found <= WIDEST], *between])
        rows = []
        for place, key in enumerate(self.arms):
            shares, nothing = profile(found[:, place], corners), [None] * len(corners)
            band = (nothing, nothing) if drawn is None else profile_band(drawn[..., place], corners)
            rows += [
                dict(zip(self.by, key, strict=True))
                | {"ratio": float(corner), "share": float(share), "low": low, "high": high}
                for corner, share, low, high in zip(corners, shares, *band, strict=True)
            ]
        return pl.DataFrame(rows, schema_overrides={"low": pl.Float64, "high": pl.Float64}, infer_schema_length=None)


def ratios(costs: np.ndarray) -> np.ndarray:
    """Each cost over the least of its problem, [..., problems, arms]; infinite where an arm missed, so also where all
    did.

    Where the least is 0 (the goal held from the start) arms that also took none have ratio 1 and others an infinite
    one. Source: Dolan and Moré, Benchmarking optimization software with performance profiles, 2002, section 2.
    """
    least = costs.min(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.where(costs == least, 1.0, costs / least)
    return np.where(np.isinf(costs), math.inf, found)


def profile(own: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The share of problems whose ratio is at most each of ``at``: Dolan and Moré's rho, [at]."""
    return (own[None, :] <= np.asarray(at)[:, None]).mean(1)


def score(own: np.ndarray, widest: float = WIDEST) -> float:
    """The mean height of the profile between the ratios 1 and ``widest``: 1 for who is first everywhere, 0 for who is
    never within ``widest``. Source: Dahl et al., Benchmarking neural network training algorithms, 2023, with 4."""
    return float(np.clip((widest - own) / (widest - 1), 0, 1).mean())


def geometric_mean(own: np.ndarray) -> float:
    """Of ratios: the n-th root of their product; infinite where one is."""
    return float(np.exp(np.log(own).mean()))


def profiles(runs: Sequence[Run], by: str | Sequence[str] | None = None) -> Profiles:
    """The arms of several runs, told apart by the column or columns ``by``, on all their problems; by default by what
    the first run varies.

    A problem is a run's group of arms that share everything but ``by`` and the numbers tuned: a task, and what else
    varies. Each arm stands at the numbers that are best on validation by all its seeds, chosen by the metric that ranks
    the run. Its cost is the median over seeds of the steps to the study's target; a miss and a trial that diverged are
    infinite and stay in. Where a study names no target, it is set afterwards: 90 % of the way from the first value to
    the best mean final one (as Moré and Wild, Benchmarking derivative-free optimization algorithms, 2009, do).

    Raises UnknownName for a column that a run has not, StudyError where two folders are one or no two arms met in all
    problems.
    """
    by = by or by_default(runs[0])
    columns = (by,) if isinstance(by, str) else tuple(by)
    places = [run.folder.resolve() for run in runs]
    if len(set(places)) < len(places):
        raise StudyError("each run counts once, and one folder was named twice")
    names = [
        run.folder.name if [other.name for other in places].count(place.name) == 1 else str(run.folder)
        for run, place in zip(runs, places, strict=True)
    ]
    problems = [problem for run, name in zip(runs, names, strict=True) for problem in _problems(run, name, columns)]
    met = [problem.arms.keys() for problem in problems]
    every = sorted(set().union(*met), key=repr)
    common = tuple(key for key in every if all(key in own for own in met))
    if len(common) < 2:
        told = "; ".join(f"{problem.run}: {', '.join(_said(key) for key in problem.arms)}" for problem in problems)
        raise StudyError(
            f"a profile needs two arms that every problem has, and there are {len(common)} ({told}); name "
            "runs of the same arms"
        )
    steps = np.array([[problem.arms[key].steps for key in common] for problem in problems])
    known = [[problem.arms[key].seconds for key in common] for problem in problems]
    whole = all(value is not None for row in known for value in row)
    seconds = np.array(known, float) if whole else None
    return Profiles(columns, tuple(problems), common, tuple(key for key in every if key not in common), steps, seconds)


def _said(key: Key) -> str:
    return " ".join(str(value) for value in key)


def _problems(run: Run, name: str, by: tuple[str, ...]) -> list[Problem]:
    try:
        found = compared(run, by)
    except UnknownName:
        raise
    except StudyError as failure:
        raise StudyError(f"{run.folder}: {failure}") from None
    seconds = run.trials.join(seconds_alone(run), on="block", how="left").select("trial", "seconds_alone")
    told = []
    for group in found.groups:
        chosen = {tuple(arm.settings[column] for column in by): _chosen(arm) for arm in group.arms}
        goal = _goal(run, list(chosen.values()), found.chosen_by.column)
        arms = {
            key: _reach(run, rows, goal, seconds, arm.chosen)
            for (key, rows), arm in zip(chosen.items(), group.arms, strict=True)
        }
        task = {"task": group.arms[0].rows["task"][0]}  # said also where all of the run share it
        told.append(Problem(name, task | group.within, goal, arms, _looks(run, goal, chosen)))
    return told


def _chosen(arm: Arm) -> pl.DataFrame:
    """The trials of an arm at its chosen numbers, a row a seed."""
    rows = arm.rows
    for name, value in arm.chosen.items():
        rows = rows.filter(pl.col(name).eq_missing(value))
    return rows


def _goal(run: Run, chosen: list[pl.DataFrame], ranks: str) -> Goal:
    if run.study.target is not None:
        target = run.study.target
        return Goal(target.metric, target.value, direction(target.metric, run.study.goals) == "up")
    metric = curve_column(ranks)
    up = direction(metric, run.study.goals) == "up"
    if metric not in run.curves.collect_schema().names():
        raise StudyError(
            f"{run.folder}: the study names no target, and {metric} was not recorded on the way, so none "
            "can be set; write [target] with metric and value into the study"
        )
    trials = pl.concat([rows.select("trial") for rows in chosen])
    seen = run.curves.join(trials.lazy(), on="trial", how="semi").filter(pl.col(metric).is_finite())
    first = seen.sort("step").group_by("trial").agg(pl.col(metric).first()).collect()[metric].mean()
    ends = [rows.filter(~pl.col("diverged"))[ranks].mean() for rows in chosen]
    known = [end for end in ends if end is not None]
    if first is None or not known:
        raise StudyError(
            f"{run.folder}: the study names no target, and no trial finished from whose {metric} one could be set"
        )
    best = max(known) if up else min(known)
    return Goal(metric, float(first + SHARE * (best - first)), up, set_after=True)


def _reach(run: Run, rows: pl.DataFrame, goal: Goal, seconds: pl.DataFrame, settings: Settings) -> Reach:
    recorded = not goal.set_after and "steps_to_target" in rows.columns
    taken = rows.select("trial", taken="steps_to_target") if recorded else _steps(run, rows, goal)
    rows = rows.join(taken, on="trial", how="left").join(seconds, on="trial", how="left")
    missed = pl.col("taken").is_null() | pl.col("diverged")
    steps = rows.select(pl.when(missed).then(math.inf).otherwise(pl.col("taken").cast(pl.Float64))).to_series()
    own = rows.select(
        pl.when(missed).then(math.inf).otherwise(pl.col("seconds_alone") * pl.col("taken") / pl.col("steps"))
    ).to_series()
    time = None if own.null_count() else float(median(own.to_numpy()))
    by_seed = [dict(zip(rows["seed"], values, strict=True)) for values in (steps, own)]
    return Reach(float(median(steps.to_numpy())), time, rows.height, int(steps.is_finite().sum()), settings, *by_seed)


def _steps(run: Run, rows: pl.DataFrame, goal: Goal) -> pl.DataFrame:
    """The first recorded step at which each trial was at the goal."""
    value = pl.col(goal.metric)
    there = value >= goal.value if goal.up else value <= goal.value
    seen = run.curves.join(rows.lazy().select("trial"), on="trial", how="semi").filter(there & value.is_finite())
    return seen.group_by("trial").agg(taken=pl.col("step").min()).collect()


def _looks(run: Run, goal: Goal, chosen: dict[Key, pl.DataFrame]) -> int | None:
    """The widest gap between two recorded values of the goal's metric, over all arms; None where there are none."""
    if goal.metric not in run.curves.collect_schema().names():
        return None
    trials = pl.concat([rows.select("trial") for rows in chosen.values()])
    seen = run.curves.join(trials.lazy(), on="trial", how="semi").filter(pl.col(goal.metric).is_not_null())
    gap = seen.sort("trial", "step").select(pl.col("step").diff().over("trial").max()).collect().item()
    return None if gap is None else int(gap)
