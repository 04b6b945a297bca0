"""The arms of a claim: which trials belong to them, one value a seed of each, and which of them are compared."""

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
from fallline.stats.filters import where
from fallline.stats.metric import direction
from fallline.stats.missing import missing, not_a_number
from fallline.store import Run
from fallline.study import Claim
from fallline.study.column_words import NULL_WORDS

RATE = "learning_rate"

RULED_OUT = 0.05
"""A setting could still be an arm's best unless it is worse than the chosen one at this level. It hardly adds to the
error of a comparison, which is kept by the test against what could be best (simulated up to 0.2)."""

_EXACT = ("status", "diverged_at", "final_train_loss", "min_train_loss", "min_train_loss_step")
"""Records that seeds share only where nothing was left to chance."""

Settings = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Arm:
    """Trials that differ in nothing but the seed and the tuned numbers; ``settings`` tell them from other arms.

    ``rows`` have the columns seed, value (of the claim's metric), choice (of the metric that tunes), diverged and
    missing (finished, and the value is not a number).
    """

    settings: Settings
    rows: pl.DataFrame
    tune: tuple[str, ...]
    fixed: bool
    """Whether the study leaves nothing to chance, as was found before it ran."""

    @cached_property
    def sample(self) -> dict[int, float]:
        """The value of each seed; where numbers are tuned, of those that are best by half of the other seeds."""
        seeds, _, values, _ = self._table
        read = values[np.arange(len(seeds)), self._read_at]
        return {seed: float(value) for seed, value in zip(seeds, read, strict=True) if not math.isnan(value)}

    @cached_property
    def missing_at(self) -> list[int]:
        """The seeds whose trial, at the numbers that the seed is read at, finished without a number."""
        if "missing" not in self.rows.columns or not self.missing:
            return []
        by = [name for name in self.tune if name in self.rows.columns]
        seeds, options, _, _ = self._table
        gone = {(seed, *setting) for seed, *setting in self.rows.filter("missing").select("seed", *by).iter_rows()}
        return [
            seed for seed, place in zip(seeds, self._read_at, strict=True) if (seed, *options[place].values()) in gone
        ]

    @cached_property
    def contenders(self) -> list[dict[int, float]]:
        """Seed and value of each setting that could be the best; none where there is one setting."""
        seeds, options, values, choices = self._table
        if len(options) == 1 or len(seeds) == 1:
            return []
        return [
            {seed: float(value) for seed, value in zip(seeds, values[:, place], strict=True) if not math.isnan(value)}
            for place in could_be_best(choices)
        ]

    @cached_property
    def chosen(self) -> Settings:
        """The tuned numbers that are best by all seeds."""
        return self._table[1][self._best] if self.tune else {}

    @cached_property
    def chosen_rows(self) -> pl.DataFrame:
        """The trials with these numbers."""
        return self.rows.filter(pl.lit(True), *(pl.col(name).eq_missing(value) for name, value in self.chosen.items()))

    @cached_property
    def one_choice(self) -> bool:
        """Whether every seed is read at the numbers that all seeds together choose."""
        return self.sample == dict(self.chosen_rows.select("seed", "value").iter_rows())

    @cached_property
    def standing(self) -> Evidence:
        """The arm's own figure: its mean with an interval by Student's t, or the median where trials diverged."""
        values = np.array([self.sample[seed] for seed in sorted(self.sample)])
        return weigh(values, Region(low=0.0), self.exact, size(values))

    @property
    def tried(self) -> int:
        """How many settings of the tuned numbers there are."""
        return len(self._table[1])

    @cached_property
    def learning_rates(self) -> list[float]:
        """The different learning rates of its trials; none where they have no such number."""
        return self.rows[RATE].drop_nulls().unique().to_list() if RATE in self.rows.columns else []

    @cached_property
    def exact(self) -> bool:
        """Whether every seed gives the same: the study leaves nothing to chance, or its records agree to the last
        digit."""
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
        return all(len(own) > 1 for own in seeds.values())

    @property
    def diverged(self) -> int:
        return int(self.rows["diverged"].sum())

    @property
    def missing(self) -> int:
        """Trials that finished and whose value is not a number."""
        return int(self.rows["missing"].sum())

    @cached_property
    def _read_at(self) -> np.ndarray:
        """For each seed the place of the option that it is read at."""
        seeds, options, _, choices = self._table
        whole = len(options) == 1 or len(seeds) == 1 or self.exact
        return np.full(len(seeds), self._best) if whole else chosen_for_each(choices)

    @cached_property
    def _best(self) -> int:
        """The place of the option that is best by all seeds."""
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
    """The value of each seed under the option that is best by half of the others; both are [seeds, options]."""
    return values[np.arange(len(values)), chosen_for_each(choices)]


def chosen_for_each(choices: np.ndarray) -> np.ndarray:
    """For each seed the place of the option that is best by half of the others; choices [seeds, options].

    A choice read on the seeds that made it looks better than it is. No two seeds choose for each other either: that
    would leave their values correlated where options are about equally good. Two halves that choose for each other
    tell five equal arms apart in 9 % of cases, with intervals that cover 91 %; leaving out one seed at a time does so
    in up to 58 %. Here it is under 5 %, and they cover 95 % (simulated with 10,000 draws each). Options that diverged
    at more seeds than others are no choice for any seed.
    """
    lost, count = _lost(choices), len(choices)
    kept = np.flatnonzero(lost == lost.min())
    return kept[[_best(choices[:, kept][judges(seed, count)]) for seed in range(count)]]


def judges(seed: int, count: int) -> list[int]:
    """Which of ``count`` seeds choose for this one: those that follow it on half of a circle, so that of two seeds only
    one chooses for the other. Just two seeds have no such way, and choose for each other."""
    if count == 2:
        return [1 - seed]
    half = (count - 1) // 2 + (count % 2 == 0 and seed < count // 2)
    return [(seed + step) % count for step in range(1, half + 1)]


def could_be_best(choices: np.ndarray) -> list[int]:
    """The options that the one with the best mean does not beat for sure; choices [seeds, options], two seeds or more.

    Paired t tests, one-sided, all of them together at the level ``RULED_OUT``; of losses the logarithms are asked too
    (``evidence.weighed``), so that no option is kept for being noisy. An option that diverged at more seeds than others
    is none.
    """
    lost, best, count = _lost(choices), _best(choices), choices.shape[1]
    return [
        place
        for place in np.flatnonzero(lost == lost.min()).tolist()
        if place == best or not _beaten(choices[:, place], choices[:, best], RULED_OUT / (count - 1))
    ]


def _beaten(option: np.ndarray, best: np.ndarray, level: float) -> bool:
    """Whether the choices of the option are larger, by a test of one side; never where just one of them diverged."""
    seen = ~(np.isnan(option) | np.isnan(best) | (np.isinf(option) & np.isinf(best)))
    option, best = option[seen], best[seen]
    if len(option) < 2 or np.isinf(option).any() or np.isinf(best).any():
        return False
    if np.ptp(option - best) == 0:
        return float(option[0]) > float(best[0])
    return weighed(paired_sample(option, best), Region(low=0.0)).p_for < 2 * level


def _best(choices: np.ndarray) -> int:
    """The option with the fewest diverged seeds, and of those the least mean; choices [seeds, options]."""
    finite = np.isfinite(choices)
    means = np.where(finite, choices, 0.0).sum(0) / np.maximum(finite.sum(0), 1)
    return int(np.lexsort((means, _lost(choices)))[0])


def _lost(choices: np.ndarray) -> np.ndarray:
    """The share of its seeds at which each option diverged, infinite where it has none; choices [seeds, options]."""
    seen = (~np.isnan(choices)).sum(0)
    return np.where(seen > 0, np.isposinf(choices).sum(0) / np.maximum(seen, 1), math.inf)


def upwards(claim: Claim, column: str, goals: Mapping[str, str] | None = None) -> bool:
    """Whether larger values of the claim's metric are better; ``goals`` are those of the study."""
    usual = "down" if MetricName.parse(column).is_step else direction(column, goals)
    return (claim.direction or usual) == "up"


def valued(run: Run, trials: pl.DataFrame, claim: Claim, column: str, choice: str, choice_up: bool) -> pl.DataFrame:
    """``trials`` with the columns value, choice, diverged and missing.

    A diverged trial has the worst value there is, minus or plus infinity by the direction of the metric; so has a
    target that was missed, and a finished trial whose value is not a number (``missing``). A value is null where it was
    not recorded, and nowhere else. Where the claim names a step, the value is that of the curves there; it is missing
    where others of the block have one.
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
    """The arms among the trials that ``table`` keeps: one a combination of the columns ``identity``, in their order."""
    kept = where(trials, table)
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
    """The pairs to compare, and the columns in which they agree.

    ``held`` None means all else equal: every column that tells arms apart, is not ``named``, and is a setting in both.
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
