"""A comparison: arms that differ in some columns, each tuned on validation, paired over seeds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import polars as pl

from fallline.errors import StudyError, UnknownName
from fallline.stats.alpha_spending import sequential_test
from fallline.stats.arms import Arm, Settings, arms, valued
from fallline.stats.arms import upwards as upwards_of
from fallline.stats.best import Standing, standings
from fallline.stats.cached import once
from fallline.stats.columns import (
    RECIPE,
    finished,
    how_diverged,
    loss_hyperparameters,
    metric_columns,
    recipe_columns,
    varying,
)
from fallline.stats.differences import negligible
from fallline.stats.evidence import LEVEL, Sample
from fallline.stats.filters import select_trials
from fallline.stats.groups import ArmGroup, lost
from fallline.stats.margins import margin
from fallline.stats.metric import MetricView, comparable, kind_column, loss_kinds, primary
from fallline.stats.missing import missing
from fallline.stats.over_folds import Folds, OverFolds
from fallline.stats.pairwise import Pair, all_pairs
from fallline.stats.same_examples import Examples, Mcnemar, split_of
from fallline.store import Run
from fallline.store.claims import noted_claims
from fallline.study import Claim
from fallline.study.column_words import NULL_WORDS
from fallline.study.test_leakage import REASON, on_test

MOST_PAIRS = 500
"""Up to so many pairs all are tested for the multiple comparisons with the best."""


@dataclass(frozen=True, eq=False)
class Compared:
    """Arms that differ in the columns ``by``, each with the hyperparameters ``tune`` at their best by ``chosen_by``.

    ``metric`` is the column that is compared, ``up`` whether larger is better. What varies besides, ``held``, is the
    same within a group, and groups are not compared with each other. ``alone`` are arms without another in their group,
    ``without`` those that have no value of ``by``. ``level`` is the significance level.
    """

    run: Run
    by: tuple[str, ...]
    metric: str
    up: bool
    chosen_by: MetricView
    tune: tuple[str, ...]
    held: tuple[str, ...]
    groups: tuple[ArmGroup, ...]
    alone: tuple[Settings, ...] = ()
    without: tuple[Settings, ...] = ()
    level: float = LEVEL

    @cached_property
    def pairs(self) -> list[list[Pair]]:
        """For each group the pairs at its ``places``; Holm's correction takes the pairs of all groups as one family,
        and arms that are equal but for rounding once."""
        samples = [sample for samples in self._samples for sample in samples]
        found = iter(all_pairs(samples, self.up, self.level, self._tested))
        return [list(itertools.islice(found, len(group.places))) for group in self.groups]

    @cached_property
    def _samples(self) -> list[list[Sample]]:
        """The differences at the ``places`` of each group."""
        return [[group.sample(*place) for place in group.places] for group in self.groups]

    @property
    def _tested(self) -> list[int]:
        """For each pair, over all groups, the position of the pair that is tested for it."""
        found: list[int] = []
        for group in self.groups:
            start, at = len(found), {pair: place for place, pair in enumerate(group.places)}
            for place, pair in enumerate(group.places):
                first = tuple(sorted(group.stands_for[arm] for arm in pair))
                found.append(start + at.get(first, place))
        return found

    @cached_property
    def standings(self) -> list[list[Standing]]:
        """For each group the comparison of its arms with the best, each group by itself.

        With more than ``MOST_PAIRS`` pairs only those with the first arm are tested, without Holm's test over all: the
        time grows with the number of arms instead of its square.
        """
        found = []
        whole = sum(len(group.places) for group in self.groups) <= MOST_PAIRS
        for at, group in enumerate(self.groups):
            places = [place for place, (first, _) in enumerate(group.places) if first == 0]
            seconds = [group.places[place][1] for place in places]
            samples = [
                self._samples[at][place] if whole else group.sample(0, second)
                for place, second in zip(places, seconds, strict=True)
            ]
            pairs = (
                [self.pairs[at][place] for place in places]
                if whole
                else [
                    replace(pair, p_holm=1.0, p_as_tuned_holm=1.0) for pair in all_pairs(samples, self.up, self.level)
                ]
            )
            most = margin(self.metric, group.arms[0].standing.estimate, self.run.study.margins)
            found.append(
                standings(group, dict(zip(seconds, zip(pairs, samples, strict=True), strict=True)), most, self.level)
            )
        return found

    @cached_property
    def chosen(self) -> list[tuple[Settings, dict[str, Any]]]:
        """For each arm with results its settings and a trial of the configuration with the best mean over all seeds."""
        every = [arm for group in self.groups for arm in group.arms]
        return [
            (arm.settings, row)
            for arm in every
            for row in arm.chosen_rows.filter(finished()).head(1).iter_rows(named=True)
        ]

    @cached_property
    def same_examples(self) -> list[list[Mcnemar | None]]:
        """For each pair McNemar's test on the examples of the metric's split, where predictions were kept, else
        None."""
        every = [arm for group in self.groups for arm in group.arms]
        examples = Examples(self.run, every, split_of(self.metric))
        return [[examples.among(group.arms[a], group.arms[b]) for a, b in group.places] for group in self.groups]

    @cached_property
    def over_folds(self) -> list[list[OverFolds | None]]:
        """For each pair the corrected resampled t test over folds, where the data was cut into folds, else None."""
        folds = Folds(self.run, self.metric)
        return [[folds.among(group.arms[a], group.arms[b]) for a, b in group.places] for group in self.groups]


def compared(
    run: Run,
    by: str | Sequence[str] = "optimizer",
    metric: str | None = None,
    tune: str | Sequence[str] | None = None,
    kept: Settings | None = None,
) -> Compared:
    """The arms of a run that differ in the column or columns ``by``, with one value per seed.

    ``metric`` (by default the one that ranks the run) is compared; ``tune`` (by default every varying hyperparameter
    that is not in ``by``) is chosen for each arm: the setting with the best mean over seeds of the metric that ranks
    the run, which is never a test metric where there is a validation one; settings that diverged come last. Each seed
    is evaluated at the setting that half of the other seeds choose (cross-fitted selection, ``arms.crossed``), so that
    no seed evaluates its own choice; two arms are significantly different where one, evaluated so, is better than the
    other at every setting that could be the other's best (``differences.difference``). Columns that vary besides split
    the comparison into groups; ``kept`` selects trials, as ``select_trials`` does. Raises UnknownName for an unknown
    column or metric, StudyError where nothing can be compared.
    """
    read, varies, chosen_by = sequential_test(run), varying(run), primary(run)
    trials = read.trials
    columns = (by,) if isinstance(by, str) else tuple(by)
    column = _metric_column(run, trials, metric or chosen_by.column)
    _check_columns(run, trials, varies, columns)
    tuned = _tuned(run, trials, varies, columns, column, chosen_by, tune)
    return _compared(run, columns, column, tuned, kept or {})


@once
def _compared(run: Run, columns: tuple[str, ...], column: str, tuned: tuple[str, ...], kept: Settings) -> Compared:
    """``compared`` with its arguments resolved, so that calls that mean the same are computed once."""
    read, varies, chosen_by = sequential_test(run), varying(run), primary(run)
    trials = read.trials
    held = _held(trials, varies, columns, tuned, column, chosen_by)
    null = Claim(text="all arms are equal", metric=column, equal={})
    rows = valued(run, select_trials(trials, kept), null, column, chosen_by.column, chosen_by.up).drop_nulls("value")
    up, note = upwards_of(null, column, run.study.goals), noted_claims(run.paths, run.study)
    fixed = note is not None and not note.chance
    every = [arm for arm in arms(rows, {}, [*held, *columns], tuned, fixed) if arm.sample]
    whole = [arm for arm in every if all(arm.settings[name] is not None or name in NULL_WORDS for name in columns)]
    groups = _groups(whole, held, up, negligible(rows["value"].to_numpy()))
    found = tuple(group for group in groups if len(group.arms) > 1)
    if not found:
        raise StudyError(_nothing(whole, columns, held))
    alone = tuple(group.arms[0].settings for group in groups if len(group.arms) == 1)
    without = tuple(arm.settings for arm in every if arm not in whole)
    return Compared(run, columns, column, up, chosen_by, tuned, held, found, alone, without, read.level)


def _groups(found: Sequence[Arm], held: Sequence[str], up: bool, nothing: float) -> list[ArmGroup]:
    """The arms by what they share, in the order of ``arms``."""
    shared: dict[tuple[Any, ...], list[Arm]] = {}
    for arm in found:
        shared.setdefault(tuple(arm.settings[name] for name in held), []).append(arm)
    return [
        ArmGroup(dict(zip(held, key, strict=True)), tuple(sorted(own, key=lambda arm: _order(arm, up))), up, nothing)
        for key, own in shared.items()
    ]


def _order(arm: Arm, up: bool) -> tuple[float, float, str]:
    centre = arm.standing.estimate
    worst = -math.inf if up else math.inf
    centre = worst if math.isnan(centre) else centre
    return lost(arm) / len(arm.sample), -centre if up else centre, repr(arm.settings)


def _metric_column(run: Run, trials: pl.DataFrame, metric: str) -> str:
    """The column of the trials that holds the metric; a curve's name stands for its final value."""
    known = [
        *metric_columns(trials),
        *(name for name in trials.columns if name == "steps_to_target" and trials[name].count()),
    ]
    for name in (metric, f"final_{metric}"):
        if name in known:
            return name
    if trials.filter(finished()).is_empty():
        raise StudyError(f"every trial diverged, {how_diverged(trials)}: there is nothing to compare")
    for name in (metric, f"final_{metric}"):
        if name in trials.columns and (count := trials.filter(missing(run, name)).height):
            raise StudyError(
                f"{name} was not a number in any of the {count:,} trials that finished: there is nothing "
                "to compare; check what it divides by or takes the logarithm of"
            )
    raise UnknownName("metric", metric, known, f"the run in {run.folder}")


def _check_columns(run: Run, trials: pl.DataFrame, varies: Sequence[str], columns: Sequence[str]) -> None:
    known = [*recipe_columns(trials), *(name for name in ("loss_kind", "epochs") if name in trials.columns)]
    for name in columns:
        if name not in known:
            raise UnknownName("recipe column", name, known, f"the run in {run.folder}")
    if all(trials[name].n_unique() == 1 for name in columns):
        others = (
            f"what varies is {', '.join(varies)}: compare by one of these"
            if varies
            else "nothing varies in this run but the seed"
        )
        raise StudyError(f"a comparison needs two arms, and all trials have the same {' and '.join(columns)}; {others}")


def _kinds(trials: pl.DataFrame) -> set[str]:
    """The columns that distinguish kinds of loss."""
    return {"loss", "loss_kind", *loss_hyperparameters(trials)}


def _apart(trials: pl.DataFrame, column: str, chosen_by: MetricView) -> bool:
    """Whether kinds of loss must not be compared with each other."""
    return bool(chosen_by.within) or not comparable(trials, column)


def _tuned(
    run: Run,
    trials: pl.DataFrame,
    varies: Sequence[str],
    columns: Sequence[str],
    column: str,
    chosen_by: MetricView,
    tune: str | Sequence[str] | None,
) -> tuple[str, ...]:
    apart, kinds = _apart(trials, column, chosen_by), _kinds(trials)
    if apart and kinds & set(columns) and not comparable(trials, column):
        raise StudyError(
            f"the values of {len(loss_kinds(trials))} kinds of loss cannot be compared: name another "
            f"metric than {column}, such as an accuracy"
        )
    if tune is None:
        belongs = [name for name in varies if name not in (*RECIPE, "epochs", *columns)]
        kind_is_compared = {"loss_kind", "loss"} & set(columns) and "loss_kind" in columns
        return tuple(name for name in belongs if not ((apart or kind_is_compared) and name in kinds))
    names = tuple(dict.fromkeys((tune,) if isinstance(tune, str) else tune))
    for name in names:
        if on_test(name):
            raise StudyError(
                f"tune names hyperparameters of a recipe, not {name}; they are chosen by {chosen_by.label} and "
                f"never on the test split: {REASON}"
            )
        if name not in recipe_columns(trials):
            raise UnknownName("recipe column", name, recipe_columns(trials), f"the run in {run.folder}, tune")
        if name in columns:
            raise StudyError(f"{name} cannot be both compared and tuned: leave it out of one of them")
        if apart and name in kinds:
            raise StudyError(
                f"{name} changes what the loss means, so no value of it can be chosen by {column}: "
                "name another metric, such as an accuracy, or leave it out of what is tuned"
            )
    return names


def _held(
    trials: pl.DataFrame,
    varies: Sequence[str],
    columns: Sequence[str],
    tuned: Sequence[str],
    column: str,
    chosen_by: MetricView,
) -> tuple[str, ...]:
    """What varies and is neither compared nor tuned; kinds of loss are one column where they cannot be compared."""
    kinds = _kinds(trials)
    apart = _apart(trials, column, chosen_by) and not kinds & set(columns)
    left = [name for name in varies if name not in (*columns, *tuned)]
    if apart:
        return tuple(dict.fromkeys([*(name for name in left if name not in kinds), kind_column(trials)]))
    return tuple(name for name in left if not (name in kinds and "loss_kind" in columns))


def _nothing(found: Sequence[Arm], columns: Sequence[str], held: Sequence[str]) -> str:
    """Why there is nothing to compare, and what to do about it."""
    by = " and ".join(columns)
    if not found:
        return f"no trial of this run has both a value of the metric and one of {by}"
    own = [name for name in held if len({arm.settings[name] for arm in found}) > 1]
    if not own:
        return f"a comparison needs two arms, and only one {by} of this run has values of the metric"
    return (
        f"no two arms differ in {by} and agree in {', '.join(own)}, which vary too; tune what belongs to an arm "
        f"(--tune {','.join(own)}), or compare by it"
    )
