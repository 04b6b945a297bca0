"""The search behind each arm of a run: what was tried, how much of it was lost, and which of it was best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from fallline.errors import UnknownName
from fallline.stats.cached import once
from fallline.stats.columns import OFF, configurations, finished, number_columns, recipe_columns
from fallline.stats.defaults import Defaults, defaults
from fallline.stats.good_range import GoodRange, good_range
from fallline.stats.metric import MetricView, primary
from fallline.stats.one_at_a_time import alone
from fallline.stats.summary import summary
from fallline.store import Run

RATE = "learning_rate"
LEAST_VALUES = 3
"""Of a number other than the rate so many values make a range; the better of two is always at an end."""


@dataclass(frozen=True)
class Border:
    """The best value of ``number`` is the ``side`` ("lowest" or "highest") end of the ``values`` tried."""

    number: str
    side: str
    values: tuple[float, ...]

    @property
    def wider(self) -> tuple[float, ...]:
        """``values`` and two more beyond the end, as far apart as the last two, in the order from large to small."""
        ordered = sorted(self.values)
        end, inner = (ordered[0], ordered[1]) if self.side == "lowest" else (ordered[-1], ordered[-2])
        more = [float(f"{end * (end / inner) ** step:.1g}") for step in (1, 2)]
        return tuple(sorted({*self.values, *more}, reverse=True))


@dataclass(frozen=True, eq=False)
class Search:
    """One arm and all that was tried of it: every configuration is a try, whatever sets it apart from the others.

    ``group`` holds what no choice may cross where it varies: task, data, and the kind of loss where nothing else was
    recorded. ``rows`` are those of ``summary``, best first; ``trials`` are the arm's with their configuration.
    """

    arm: dict[str, Any]
    group: dict[str, Any]
    rows: pl.DataFrame
    trials: pl.DataFrame
    metric: MetricView
    one_at_a_time: bool = False
    run: Run | None = None

    @property
    def tried(self) -> int:
        """How many configurations."""
        return self.rows.height

    @property
    def best(self) -> dict[str, Any]:
        """The row that ranks first."""
        return self.rows.row(0, named=True)

    @property
    def value(self) -> float | None:
        """Mean over seeds of the chosen configuration; None where no trial of the arm has a number."""
        return self.best[f"{self.metric.column}_mean"]

    @property
    def lost(self) -> np.ndarray:
        """Which configurations, as in ``rows``, diverged with any seed or have no number: bool [tried]."""
        gone = (pl.col("diverged") + pl.col("missing") > 0) | pl.col(f"{self.metric.column}_mean").is_null()
        return self.rows.select(gone.alias("lost"))["lost"].to_numpy()

    @property
    def means(self) -> np.ndarray:
        """The means of those that are not lost."""
        return self.rows[f"{self.metric.column}_mean"].to_numpy()[~self.lost]

    @cached_property
    def values(self) -> np.ndarray:
        """[tried, seeds], NaN where there is no trial, or none with a number."""
        column = self.metric.column
        done = self.trials.filter(finished())
        if column not in done.columns or done.is_empty():
            return np.full((self.tried, 1), np.nan)
        wide = done.select("configuration", "seed", pl.col(column).cast(pl.Float64)).pivot(
            "seed", index="configuration", values=column, aggregate_function="mean"
        )
        wide = self.rows.select("configuration").join(wide, on="configuration", how="left", maintain_order="left")
        seeds = sorted((name for name in wide.columns if name != "configuration"), key=int)
        return wide.select(seeds).fill_null(math.nan).to_numpy()

    @property
    def diverged(self) -> int:
        """Trials that diverged."""
        return int(self.rows["diverged"].sum())

    @property
    def diverged_share(self) -> float:
        return self.diverged / self.trials.height

    @property
    def rates(self) -> GoodRange | None:
        """The good range of the learning rate; None where the arm has several optimizers, whose rates are different
        numbers."""
        if RATE not in self.rows.columns or self.rows["optimizer"].n_unique() > 1:
            return None
        rows = alone(self.rows, RATE, number_columns(self.trials)) if self.one_at_a_time else self.rows
        return good_range(rows, RATE, self.metric.column, self.metric.up)

    @property
    def borders(self) -> list[Border]:
        """The numbers whose chosen value is an end of their range, the learning rate first. 0 is no border: there is
        nothing beyond it."""
        found = []
        for name in number_columns(self.trials) if self.value is not None else ():
            values = sorted(self.rows[name].drop_nulls().unique().to_list())
            chosen, enough = self.best[name], 2 if name == RATE else LEAST_VALUES
            off = name in OFF and self.rows[name].null_count() > 0
            if chosen is None or len(values) + off < enough:
                continue
            if chosen == values[0] and chosen != 0 and not off:
                found.append(Border(name, "lowest", tuple(values)))
            elif chosen == values[-1] and chosen != 0:
                found.append(Border(name, "highest", tuple(values)))
        return found

    @cached_property
    def defaults(self) -> Defaults:
        """The arm "all defaults"; "unknown" where the arm has several optimizers."""
        return defaults(self.rows)

    @cached_property
    def budget(self) -> dict[str, int | None]:
        """seeds, steps and examples (the most of any trial; examples None in older folders), trials, and total_steps
        (planned, over all trials)."""
        told = self.trials["examples_seen"].max() if "examples_seen" in self.trials.columns else None
        return {
            "trials": self.trials.height,
            "seeds": self.trials["seed"].n_unique(),
            "steps": int(self.trials["steps"].max()),
            "examples": None if told is None else int(told),
            "total_steps": int(self.trials["steps"].sum()),
        }


def searches(run: Run, by: str | Sequence[str] = "optimizer", ranked: pl.DataFrame | None = None) -> list[Search]:
    """The arms of a run: the values of the column(s) ``by``, the best first within a group; UnknownName for no such
    column. ``ranked``: rows of ``summary``, where some or all are at hand; what is not in them is left out."""
    columns = (by,) if isinstance(by, str) else tuple(by)
    return _every_search(run, columns) if ranked is None else _searches(run, columns, ranked)


@once
def _every_search(run: Run, by: tuple[str, ...]) -> list[Search]:
    return _searches(run, by, summary(run))


def _searches(run: Run, by: tuple[str, ...], ranked: pl.DataFrame) -> list[Search]:
    metric, trials = primary(run), configurations(run)
    known = [*recipe_columns(trials), *(name for name in ("epochs", "loss_kind") if name in trials.columns)]
    for name in by:
        if name not in known:
            raise UnknownName("recipe column", name, known, "by")
    trials = trials.filter(pl.col("configuration").is_in(ranked["configuration"].implode()))
    apart = [
        name for name in ("task", "data", metric.within) if name and name not in by and trials[name].n_unique() > 1
    ]
    found = []
    for rows in ranked.partition_by([*apart, *by], maintain_order=True):
        first = rows.row(0, named=True)
        own = trials.filter(pl.col("configuration").is_in(rows["configuration"].implode()))
        found.append(
            Search(
                {name: first[name] for name in by},
                {name: first[name] for name in apart},
                rows,
                own,
                metric,
                run.study.design == "one_at_a_time",
                run,
            )
        )
    return found


def groups(found: Sequence[Search]) -> list[list[Search]]:
    """The searches that may be compared with one another, together."""
    kept: dict[tuple, list[Search]] = {}
    for search in found:
        kept.setdefault(tuple(search.group.values()), []).append(search)
    return list(kept.values())
