"""Arms: the trials that belong to them, one value per seed by cross-fitted selection, and which pairs are compared."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from fallline.contracts import MetricName
from fallline.stats.columns import finished
from fallline.stats.differences import paired_sample, size
from fallline.stats.evidence import Evidence, Region, weigh, weighed
from fallline.stats.filters import select_trials
from fallline.stats.metric import direction
from fallline.stats.missing import missing, not_a_number
from fallline.store import Run
from fallline.study import Claim
from fallline.study.column_words import NULL_WORDS

RATE = "learning_rate"

RULED_OUT = 0.05
"""The level at which a setting is significantly worse than the chosen one, and so no candidate for the arm's best. The
error probability of a comparison hardly depends on it, since the test is against all candidates (simulated up to
0.2)."""

_EXACT = ("status", "diverged_at", "final_train_loss", "min_train_loss", "min_train_loss_step")
"""Records that are equal for all seeds only in a deterministic study."""

Settings = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Arm:
    """Trials that differ only in the seed and the tuned hyperparameters; ``settings`` distinguish them from other arms.

    ``rows`` have the columns seed, value (of the metric compared), choice (of the metric that tunes), diverged and
    missing (finished without a number).
    """

    settings: Settings
    rows: pl.DataFrame
    tune: tuple[str, ...]
    fixed: bool
    """Whether the study is deterministic, as was found before it ran."""

    @cached_property
    def sample(self) -> dict[int, float]:
        """The value of each seed; with tuning, at the setting that is best by half of the other seeds."""
        seeds, _, values, _ = self._table
        read = values[np.arange(len(seeds)), self._read_at]
        return {seed: float(value) for seed, value in zip(seeds, read, strict=True) if not math.isnan(value)}

    @cached_property
    def missing_at(self) -> list[int]:
        """The seeds whose trial, at the setting at which the seed is evaluated, finished without a number."""
        if "missing" not in self.rows.columns or not self.missing:
            return []
        by = [name for name in self.tune if name in self.rows.columns]
        seeds, options, _, _ = self._table
        missing = {(seed, *setting) for seed, *setting in self.rows.filter("missing").select("seed", *by).iter_rows()}
        return [
            seed
            for seed, place in zip(seeds, self._read_at, strict=True)
            if (seed, *options[place].values()) in missing
        ]

    @cached_property
    def contenders(self) -> list[dict[int, float]]:
        """The values by seed of each setting that could be the best; empty with one setting or one seed."""
        seeds, options, values, choices = self._table
        if len(options) == 1 or len(seeds) == 1:
            return []
        return [
            {seed: float(value) for seed, value in zip(seeds, values[:, place], strict=True) if not math.isnan(value)}
            for place in could_be_best(choices)
        ]

    @cached_property
    def chosen(self) -> Settings:
        """The setting of the tuned hyperparameters with the best mean over all seeds."""
        return self._table[1][self._best] if self.tune else {}

    @cached_property
    def chosen_rows(self) -> pl.DataFrame:
        """The trials with this setting."""
        return self.rows.filter(pl.lit(True), *(pl.col(name).eq_missing(value) for name, value in self.chosen.items()))

    @cached_property
    def one_choice(self) -> bool:
        """Whether every seed is evaluated at the setting that all seeds together choose."""
        return self.sample == dict(self.chosen_rows.select("seed", "value").iter_rows())

    @cached_property
    def standing(self) -> Evidence:
        """The arm's own estimate: its mean with a CI by Student's t, or the median where trials diverged."""
        values = np.array([self.sample[seed] for seed in sorted(self.sample)])
        return weigh(values, Region(low=0.0), self.exact, size(values))

    @property
    def tried(self) -> int:
        """The number of settings of the tuned hyperparameters."""
        return len(self._table[1])

    @cached_property
    def learning_rates(self) -> list[float]:
        """The distinct learning rates of its trials; empty where they have none."""
        return self.rows[RATE].drop_nulls().unique().to_list() if RATE in self.rows.columns else []

    @cached_property
    def exact(self) -> bool:
        """Whether every seed gives the same: the study is deterministic, or its records agree to the last digit."""
        names = [name for name in _EXACT if name in self.rows.columns]
        if self.rows["seed"].n_unique() == 1:
            return self.fixed
        if len(names) < len(_EXACT) or self.rows["min_train_loss"].null_count():
            return False
        by = [name for name in self.tune if name in self.rows.columns]
        seeds: dict[tuple[Any, ...], set[int]] = {}
        first: dict[tuple[Any, ...], list[str]] = {}
        for row in self.rows.select("seed", *by, *names).iter_rows():
            setting, records = row[1 : len(by) + 1], [str(record) for record in row[len(by) + 1 :]]  # NaN is like NaN
            seeds.setdefault(setting, set()).add(row[0])
            if first.setdefault(setting, records) != records:
                return False
        return all(len(seeds_of_setting) > 1 for seeds_of_setting in seeds.values())

    @property
    def diverged(self) -> int:
        return int(self.rows["diverged"].sum())

    @property
    def missing(self) -> int:
        """The number of trials that finished without a number."""
        return int(self.rows["missing"].sum())

    @cached_property
    def _read_at(self) -> np.ndarray:
        """For each seed the position of the option at which it is evaluated."""
        seeds, options, _, choices = self._table
        whole = len(options) == 1 or len(seeds) == 1 or self.exact
        return np.full(len(seeds), self._best) if whole else chosen_for_each(choices)

    @cached_property
    def _best(self) -> int:
        """The position of the option with the best mean over all seeds."""
        return _best(self._table[3])

    @cached_property
    def _table(self) -> tuple[list[int], list[Settings], np.ndarray, np.ndarray]:
        """Seeds, options, and values and choices [seeds, options], NaN where there is no trial; smaller choices are
        better."""
        by = [name for name in self.tune if name in self.rows.columns]
        rows = self.rows.sort("trial").to_dicts()
        seeds = sorted({row["seed"] for row in rows})
        keys = sorted({tuple(row[name] for name in by) for row in rows}, key=repr)
        values, choices = (np.full((len(seeds), len(keys)), np.nan) for _ in range(2))
        for row in rows:
            place = seeds.index(row["seed"]), keys.index(tuple(row[name] for name in by))
            values[place] = np.nan if row["value"] is None else row["value"]
            choices[place] = np.nan if row["choice"] is None else row["choice"]
        return seeds, [dict(zip(by, key, strict=True)) for key in keys], values, choices


def crossed(values: np.ndarray, choices: np.ndarray) -> np.ndarray:
    """The value of each seed under the option that is best by half of the others: cross-fitted selection. Both arrays
    are [seeds, options]."""
    return values[np.arange(len(values)), chosen_for_each(choices)]


def chosen_for_each(choices: np.ndarray) -> np.ndarray:
    """For each seed the position of the option that is best by half of the others; choices [seeds, options].

    The value of a selection on the seeds that made it is optimistic. No two seeds select for each other either: that
    would correlate their values where options are about equally good. With two halves that select for each other five
    equal arms differ significantly in 9 % of cases, and CIs cover 91 %; with leave-one-out in up to 58 %. Here it is
    under 5 %, and CIs cover 95 % (simulations of 10,000 draws each). Options that diverged at more seeds than others
    are never selected.
    """
    lost, count = _lost(choices), len(choices)
    kept = np.flatnonzero(lost == lost.min())
    return kept[[_best(choices[:, kept][judges(seed, count)]) for seed in range(count)]]


def judges(seed: int, count: int) -> list[int]:
    """The seeds, of ``count``, that select for this one: those that follow it on half of a circle, so that of two seeds
    only one selects for the other. With two seeds in all this is impossible, and they select for each other."""
    if count == 2:
        return [1 - seed]
    half = (count - 1) // 2 + (count % 2 == 0 and seed < count // 2)
    return [(seed + step) % count for step in range(1, half + 1)]


def could_be_best(choices: np.ndarray) -> list[int]:
    """The options that are not significantly worse than the one with the best mean; choices [seeds, options], with two
    seeds or more.

    Paired one-sided t tests, jointly at the level ``RULED_OUT``; losses are also tested by their logarithms
    (``evidence.weighed``), so that no option is kept for being noisy. An option that diverged at more seeds than others
    is left out.
    """
    lost, best, count = _lost(choices), _best(choices), choices.shape[1]
    return [
        place
        for place in np.flatnonzero(lost == lost.min()).tolist()
        if place == best or not _beaten(choices[:, place], choices[:, best], RULED_OUT / (count - 1))
    ]


def _beaten(option: np.ndarray, best: np.ndarray, level: float) -> bool:
    """Whether the choices of the option are significantly larger (one-sided); False where one of them diverged."""
    both = ~(np.isnan(option) | np.isnan(best) | (np.isinf(option) & np.isinf(best)))
    option, best = option[both], best[both]
    if len(option) < 2 or np.isinf(option).any() or np.isinf(best).any():
        return False
    if np.ptp(option - best) == 0:
        return float(option[0]) > float(best[0])
    return weighed(paired_sample(option, best), Region(low=0.0)).p_for < 2 * level


def _best(choices: np.ndarray) -> int:
    """The option with the fewest diverged seeds, of those the one with the smallest mean; choices [seeds, options]."""
    finite = np.isfinite(choices)
    means = np.where(finite, choices, 0.0).sum(0) / np.maximum(finite.sum(0), 1)
    return int(np.lexsort((means, _lost(choices)))[0])


def _lost(choices: np.ndarray) -> np.ndarray:
    """The share of its seeds at which each option diverged, infinite where it has none; choices [seeds, options]."""
    seen = (~np.isnan(choices)).sum(0)
    return np.where(seen > 0, np.isposinf(choices).sum(0) / np.maximum(seen, 1), math.inf)


def upwards(claim: Claim, column: str, goals: Mapping[str, str] | None = None) -> bool:
    """Whether larger values of the claim's metric are better; ``goals``: those of the study."""
    usual = "down" if MetricName.parse(column).is_step else direction(column, goals)
    return (claim.direction or usual) == "up"


def valued(run: Run, trials: pl.DataFrame, claim: Claim, column: str, choice: str, choice_up: bool) -> pl.DataFrame:
    """``trials`` with the columns value, choice, diverged and missing.

    A diverged trial has the worst value, minus or plus infinity by the direction of the metric; so has a missed target,
    and a finished trial without a number (``missing``). A value is null only where it was not recorded. Where the claim
    names a step, the value is that of the curve there; it is missing where other trials of the block have one.
    """
    gone = pl.col("status") == "diverged"
    worst = -math.inf if upwards(claim, column, run.study.goals) else math.inf
    if claim.step is not None:
        at = run.curves.filter(pl.col("step") == claim.step).select("trial", value=pl.col(column), there=pl.lit(True))
        trials = trials.join(at.collect(), on="trial", how="left", maintain_order="left")
        reached = pl.col("diverged_at").is_null() | (pl.col("diverged_at") > claim.step)
        gaps = pl.col("there").fill_null(False) & not_a_number("value") & (~not_a_number("value")).any().over("block")
        value = pl.when(gone & ~reached).then(worst).otherwise(pl.col("value").cast(pl.Float64))
    else:
        value = pl.col(column).cast(pl.Float64)
        value = value.fill_null(math.inf) if column == "steps_to_target" else value
        value = pl.when(gone).then(worst).otherwise(value)
        gaps = pl.lit(False) if column == "steps_to_target" else missing(run, column)
    value = pl.when(gaps).then(worst).otherwise(value)
    falling = pl.col(choice).cast(pl.Float64)  # without a value, where every trial diverged, it has no type of its own
    choice = pl.when(finished() & ~missing(run, choice)).then(-falling if choice_up else falling).otherwise(math.inf)
    choice = choice.fill_nan(None)  # pyright: ignore[reportAttributeAccessIssue]
    return trials.with_columns(value=value.fill_nan(None), choice=choice, diverged=gone, missing=gaps)


def arms(trials: pl.DataFrame, table: Settings, identity: Sequence[str], tune: Sequence[str], fixed: bool) -> list[Arm]:
    """The arms among the trials that ``table`` selects: one per combination of the columns ``identity``, sorted."""
    kept = select_trials(trials, table)
    if kept.is_empty():
        return []
    groups = kept.partition_by(identity, include_key=True) if identity else [kept]
    found = [Arm({name: group[name][0] for name in identity}, group, tuple(tune), fixed) for group in groups]
    return sorted(
        found,
        key=lambda arm: [
            (value is not None, isinstance(value, str), value if value is not None else 0)
            for value in arm.settings.values()
        ],
    )


def pairs(
    first: list[Arm], second: list[Arm], held: Sequence[str] | None, named: set[str]
) -> tuple[list[str], list[tuple[Arm, Arm]]]:
    """The columns in which pairs agree, and the pairs to compare.

    ``held`` None means all else equal: every column of the arms that is not ``named`` and is a setting in both.
    """
    both = [*first, *second]
    columns = list(both[0].settings) if both else []
    if held is None:
        held = [
            name
            for name in columns
            if name not in named
            and all(
                name in NULL_WORDS or any(arm.settings[name] is not None for arm in side) for side in (first, second)
            )
        ]
    held = [name for name in held if len({arm.settings.get(name) for arm in both}) > 1]
    return held, [
        (a, b)
        for a, b in itertools.product(first, second)
        if a is not b
        and a.settings != b.settings
        and all(a.settings.get(name) == b.settings.get(name) for name in held)
    ]
