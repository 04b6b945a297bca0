"""Steps and seconds to a target, and performance profiles over several problems."""

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
"""Profiles are drawn and scored up to this ratio: a problem that takes more than 4 times as long counts as unsolved."""

SHARE = 0.9
"""Where a study names no target: this part of the distance from the first value to the best final value of any arm."""

BETWEEN = tuple(np.geomspace(1.0, WIDEST, 25))
"""Ratios at which bands are computed, besides the corners of the profiles."""

Key = tuple[Any, ...]


@dataclass(frozen=True)
class Goal:
    """The target: a value of ``metric`` (as in the curves), reached from below where ``up``; ``set_after``: chosen from
    the results of the run."""

    metric: str
    value: float
    up: bool = False
    set_after: bool = False


@dataclass(frozen=True)
class TimeToTarget:
    """The cost of the target for an arm at its chosen ``settings``: medians over ``n`` seeds; runs that do not reach
    the target count as infinite.

    ``reached`` counts the seeds that do; ``seconds`` (without compiling and evaluating) is None where the time of a
    single trial is unknown. ``steps_by_seed`` and ``seconds_by_seed`` are the values of the medians.
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
    """One task of one run: the settings its arms share (``within``), the target, and the cost of each arm."""

    run: str
    within: Settings
    goal: Goal
    arms: dict[Key, TimeToTarget]
    every: int | None
    """Steps between two evaluations, which is the resolution of steps to the target."""


@dataclass(frozen=True, eq=False)
class Profiles:
    """Costs of the arms on the problems that all of them have: ``steps`` and ``seconds`` [problems, arms], infinite
    where an arm misses the target; ``seconds`` is None where some are unknown. ``left_out`` are arms that lack a
    problem."""

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
        """One row per arm, best score first: the columns ``by``; problems, reached, first (counts of problems);
        within_2 and within_4 (shares of problems solved within 2 or 4 times the lowest cost); score (see ``score``)
        with its 95 % CI score_low to score_high by bootstrap over seeds (null where every problem has one seed);
        geometric_mean of the ratios, infinite where a problem is unsolved; and common_geometric_mean over the
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
        """One row per arm and corner of its profile: the columns ``by``, ratio (from 1 to 4), share of problems solved
        within that ratio of the lowest cost, and low and high, the 95 % band by bootstrap over seeds (null where every
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
    """Each cost divided by the lowest of its problem, [..., problems, arms]; infinite where an arm misses the target,
    also where all do.

    Where the lowest is 0 (the target holds from the start) arms with cost 0 have ratio 1 and others an infinite one.
    Source: Dolan and Moré, Benchmarking optimization software with performance profiles, 2002, section 2.
    """
    least = costs.min(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.where(costs == least, 1.0, costs / least)
    return np.where(np.isinf(costs), math.inf, found)


def profile(own: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The share of problems whose ratio is at most each of ``at``: Dolan and Moré's rho, [at]."""
    return (own[None, :] <= np.asarray(at)[:, None]).mean(1)


def score(own: np.ndarray, widest: float = WIDEST) -> float:
    """The mean of the profile between the ratios 1 and ``widest``: 1 for an arm that is first on all problems, 0 for
    one that is never within ``widest``. Source: Dahl et al., Benchmarking neural network training algorithms, 2023,
    with 4."""
    return float(np.clip((widest - own) / (widest - 1), 0, 1).mean())


def geometric_mean(own: np.ndarray) -> float:
    """The geometric mean of ratios; infinite where one is."""
    return float(np.exp(np.log(own).mean()))


def profiles(runs: Sequence[Run], by: str | Sequence[str] | None = None) -> Profiles:
    """The arms of several runs, which differ in the column or columns ``by``, on all their problems; by default in what
    the first run varies.

    A problem is a group of arms of a run that share everything but ``by`` and the tuned hyperparameters: a task, and
    what else varies. Each arm has the setting that is best on validation over all its seeds, by the metric that ranks
    the run. Its cost is the median over seeds of the steps to the study's target; runs that do not reach it, and trials
    that diverge, count as infinite. Where a study names no target, it is chosen afterwards: 90 % of the distance from
    the first value to the best mean final one (as Moré and Wild, Benchmarking derivative-free optimization algorithms,
    2009).

    Raises UnknownName for an unknown column, StudyError where a folder is named twice or no two arms share all
    problems.
    """
    by = by or by_default(runs[0])
    columns = (by,) if isinstance(by, str) else tuple(by)
    places = [run.folder.resolve() for run in runs]
    if len(set(places)) < len(places):
        raise StudyError("each run counts once, but one folder was named twice")
    names = [
        run.folder.name if [other.name for other in places].count(place.name) == 1 else str(run.folder)
        for run, place in zip(runs, places, strict=True)
    ]
    problems = [problem for run, name in zip(runs, names, strict=True) for problem in _problems(run, name, columns)]
    arms_by_problem = [problem.arms.keys() for problem in problems]
    every = sorted(set().union(*arms_by_problem), key=repr)
    common = tuple(key for key in every if all(key in own for own in arms_by_problem))
    if len(common) < 2:
        arms_of_problems = "; ".join(
            f"{problem.run}: {', '.join(_in_words(key) for key in problem.arms)}" for problem in problems
        )
        raise StudyError(
            f"a profile needs two arms that every problem has, and there are {len(common)} ({arms_of_problems}); name "
            "runs of the same arms"
        )
    steps = np.array([[problem.arms[key].steps for key in common] for problem in problems])
    known = [[problem.arms[key].seconds for key in common] for problem in problems]
    whole = all(value is not None for row in known for value in row)
    seconds = np.array(known, float) if whole else None
    return Profiles(columns, tuple(problems), common, tuple(key for key in every if key not in common), steps, seconds)


def _in_words(key: Key) -> str:
    return " ".join(str(value) for value in key)


def _problems(run: Run, name: str, by: tuple[str, ...]) -> list[Problem]:
    try:
        comparison = compared(run, by)
    except UnknownName:
        raise
    except StudyError as failure:
        raise StudyError(f"{run.folder}: {failure}") from None
    seconds = run.trials.join(seconds_alone(run), on="block", how="left").select("trial", "seconds_alone")
    problems = []
    for group in comparison.groups:
        chosen = {tuple(arm.settings[column] for column in by): _chosen(arm) for arm in group.arms}
        goal = _goal(run, list(chosen.values()), comparison.chosen_by.column)
        arms = {
            key: _time_to_target(run, rows, goal, seconds, arm.chosen)
            for (key, rows), arm in zip(chosen.items(), group.arms, strict=True)
        }
        task = {"task": group.arms[0].rows["task"][0]}  # named also where the whole run has one task
        problems.append(Problem(name, task | group.within, goal, arms, _evaluation_interval(run, goal, chosen)))
    return problems


def _chosen(arm: Arm) -> pl.DataFrame:
    """The trials of an arm at its chosen setting, one row per seed."""
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
            f"{run.folder}: the study names no target, and {metric} was not recorded during training, so none "
            "can be chosen; write [target] with metric and value into the study"
        )
    trials = pl.concat([rows.select("trial") for rows in chosen])
    seen = run.curves.join(trials.lazy(), on="trial", how="semi").filter(pl.col(metric).is_finite())
    first = seen.sort("step").group_by("trial").agg(pl.col(metric).first()).collect()[metric].mean()
    ends = [rows.filter(~pl.col("diverged"))[ranks].mean() for rows in chosen]
    known = [end for end in ends if end is not None]
    if first is None or not known:
        raise StudyError(
            f"{run.folder}: the study names no target, and no trial finished whose {metric} could define one"
        )
    best = max(known) if up else min(known)
    return Goal(metric, float(first + SHARE * (best - first)), up, set_after=True)


def _time_to_target(
    run: Run, rows: pl.DataFrame, goal: Goal, seconds: pl.DataFrame, settings: Settings
) -> TimeToTarget:
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
    return TimeToTarget(
        float(median(steps.to_numpy())), time, rows.height, int(steps.is_finite().sum()), settings, *by_seed
    )


def _steps(run: Run, rows: pl.DataFrame, goal: Goal) -> pl.DataFrame:
    """The first recorded step at which each trial reached the target."""
    value = pl.col(goal.metric)
    there = value >= goal.value if goal.up else value <= goal.value
    seen = run.curves.join(rows.lazy().select("trial"), on="trial", how="semi").filter(there & value.is_finite())
    return seen.group_by("trial").agg(taken=pl.col("step").min()).collect()


def _evaluation_interval(run: Run, goal: Goal, chosen: dict[Key, pl.DataFrame]) -> int | None:
    """The largest number of steps between two recorded values of the target's metric; None where there are none."""
    if goal.metric not in run.curves.collect_schema().names():
        return None
    trials = pl.concat([rows.select("trial") for rows in chosen.values()])
    seen = run.curves.join(trials.lazy(), on="trial", how="semi").filter(pl.col(goal.metric).is_not_null())
    gap = seen.sort("trial", "step").select(pl.col("step").diff().over("trial").max()).collect().item()
    return None if gap is None else int(gap)
