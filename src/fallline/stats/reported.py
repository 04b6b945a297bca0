"""Published figures beside ours: the same trials, the same metric, the difference."""

from __future__ import annotations

from typing import Any

import polars as pl

from fallline.stats.cached import once
from fallline.stats.columns import configurations, finished, metric_columns, number_columns, trials_of
from fallline.stats.filters import where
from fallline.stats.metric import comparable, direction
from fallline.stats.missing import not_a_number
from fallline.stats.one_at_a_time import alone
from fallline.stats.summary import interval_factor, summary
from fallline.store import Run
from fallline.study import Reported

SCHEMA = {
    "place": pl.Int64,
    "where": pl.Object,
    "metric": pl.String,
    "at": pl.Object,
    "text": pl.String,
    "reported": pl.Float64,
    "ours": pl.Float64,
    "sd": pl.Float64,
    "n": pl.Int64,
    "low": pl.Float64,
    "high": pl.Float64,
    "difference": pl.Float64,
    "configuration": pl.Int64,
    "best": pl.Float64,
    "best_configuration": pl.Int64,
}


@once
def reported(run: Run) -> pl.DataFrame:
    """One row a reported figure of the study.

    Ours is the best configuration among the trials ``where`` and ``at`` keep (``at`` may also name a step of the
    curves): its mean, sd, n and 95 % interval over seeds; null where no trial matches or none has a number.
    Configurations that diverged or have no number with some seeds come after those with one at every seed. best is the
    best configuration among those of ``where`` alone: where our optimum lies, if not ``at``. Where the metric is a
    number of the rule, what was reported is its optimum, and ours is its value in the best configuration (one at a
    time: with all others at their usual values). Losses of different kinds do not compete: what is kept must have one
    kind.
    """
    trials = configurations(run)
    rows = [_row(run, trials, place, one) for place, one in enumerate(run.study.reported)]
    return pl.DataFrame(rows, schema=SCHEMA) if rows else pl.DataFrame(schema=SCHEMA)


def _row(run: Run, trials: pl.DataFrame, place: int, one: Reported) -> dict[str, Any]:
    if one.metric in number_columns(trials):
        return _number_row(run, trials, place, one)
    settings = {key: value for key, value in one.at.items() if key != "step"}
    kept, step = where(trials, one.where), one.at.get("step")
    free, here = (_best(run, some, one.metric, step) for some in (kept, where(kept, settings)))
    ours = here.get("mean")
    return {
        "place": place,
        "where": one.where,
        "metric": one.metric,
        "at": one.at,
        "text": one.text,
        "reported": one.value,
        "ours": ours,
        "sd": here.get("sd"),
        "n": here.get("n"),
        "low": here.get("low"),
        "high": here.get("high"),
        "difference": None if ours is None or one.value is None else ours - one.value,
        "configuration": here.get("configuration"),
        "best": free.get("mean"),
        "best_configuration": free.get("configuration"),
    }


def _number_row(run: Run, trials: pl.DataFrame, place: int, one: Reported) -> dict[str, Any]:
    """A reported optimum of a number beside ours: its value where our primary metric is best."""
    kept = where(trials, one.where | one.at)
    rows = summary(run).filter(pl.col("configuration").is_in(kept["configuration"].unique().implode()))
    rows = rows.filter(pl.col("diverged") + pl.col("missing") < pl.col("trials"))
    if run.study.design == "one_at_a_time" and not rows.is_empty():
        rows = alone(rows, one.metric, number_columns(trials))
    best = rows.row(0, named=True) if rows.height else {}
    ours = best.get(one.metric)
    row = dict.fromkeys(SCHEMA) | {
        "place": place,
        "where": one.where,
        "metric": one.metric,
        "at": one.at,
        "text": one.text,
    }
    gap = None if ours is None or one.value is None else ours - one.value
    return row | {"reported": one.value, "ours": ours, "difference": gap, "configuration": best.get("configuration")}


def _best(run: Run, trials: pl.DataFrame, metric: str, step: int | None) -> dict[str, Any]:
    """The best configuration by mean over seeds; empty where there is none, or where kinds of loss would compete."""
    if not comparable(trials, metric):
        return {}
    values = _values(run, trials, metric, step)
    if values.is_empty():
        return {}
    groups = values.group_by("configuration", maintain_order=True).agg(
        mean=pl.col("value").mean(), sd=pl.col("value").std(ddof=1), n=pl.len()
    )
    groups = groups.join(trials.group_by("configuration").agg(of=pl.len()), on="configuration", maintain_order="left")
    up = direction(metric, run.study.goals) == "up"
    order = [1 - pl.col("n") / pl.col("of"), pl.col("mean")]
    best = groups.sort(order, descending=[False, up], maintain_order=True).row(0, named=True)
    factor = interval_factor(best["n"])
    if factor is not None:
        best |= {"low": best["mean"] - factor * best["sd"], "high": best["mean"] + factor * best["sd"]}
    return best


def _values(run: Run, trials: pl.DataFrame, metric: str, step: int | None) -> pl.DataFrame:
    """The metric of each trial that has a number: from the curves where a step is named, else the column of that name
    or of its final value."""
    done = trials.filter(finished())
    if step is not None:
        if metric not in run.curves.collect_schema().names():
            return pl.DataFrame()
        at = run.curves.filter(pl.col("step") == step).select("trial", value=pl.col(metric)).collect()
        return done.select("trial", "configuration").join(at, on="trial").filter(~not_a_number("value"))
    column = metric if metric in metric_columns(trials_of(run)) else f"final_{metric}"
    if column not in trials.columns:
        return pl.DataFrame()
    return done.select("configuration", value=pl.col(column)).filter(~not_a_number("value"))
