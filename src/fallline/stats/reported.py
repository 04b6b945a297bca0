"""Published figures beside reproduced ones: the same trials, the same metric, the difference."""

from __future__ import annotations

from typing import Any

import polars as pl

from fallline.stats.cached import once
from fallline.stats.columns import configurations, finished, hyperparameter_columns, metric_columns, trials_of
from fallline.stats.filters import select_trials
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
    """One row per published figure of the study (``reported``), with the reproduced value (``ours``).

    Reproduced is the best configuration among the trials that ``where`` and ``at`` select (``at`` may also name a step
    of the curves): its mean, sd, n and 95 % CI over seeds; null where no trial matches or none has a number.
    Configurations that diverged or have no number with some seeds come after those with one at every seed. best is the
    best configuration among those of ``where`` alone, which is our optimum even if it is not ``at``. Where the metric
    is a hyperparameter of the optimizer, the published value is its optimum, and the reproduced one its value in the
    best configuration (in one-at-a-time studies with all others at the base). Losses of different kinds are not
    compared: the selected trials must have one kind.
    """
    trials = configurations(run)
    rows = [_row(run, trials, place, figure) for place, figure in enumerate(run.study.reported)]
    return pl.DataFrame(rows, schema=SCHEMA) if rows else pl.DataFrame(schema=SCHEMA)


def _row(run: Run, trials: pl.DataFrame, place: int, figure: Reported) -> dict[str, Any]:
    if figure.metric in hyperparameter_columns(trials):
        return _number_row(run, trials, place, figure)
    settings = {key: value for key, value in figure.at.items() if key != "step"}
    selected_by_where, step = select_trials(trials, figure.where), figure.at.get("step")
    best, at_setting = (
        _best(run, selected, figure.metric, step)
        for selected in (selected_by_where, select_trials(selected_by_where, settings))
    )
    ours = at_setting.get("mean")
    return {
        "place": place,
        "where": figure.where,
        "metric": figure.metric,
        "at": figure.at,
        "text": figure.text,
        "reported": figure.value,
        "ours": ours,
        "sd": at_setting.get("sd"),
        "n": at_setting.get("n"),
        "low": at_setting.get("low"),
        "high": at_setting.get("high"),
        "difference": None if ours is None or figure.value is None else ours - figure.value,
        "configuration": at_setting.get("configuration"),
        "best": best.get("mean"),
        "best_configuration": best.get("configuration"),
    }


def _number_row(run: Run, trials: pl.DataFrame, place: int, figure: Reported) -> dict[str, Any]:
    """A published optimum of a hyperparameter beside the reproduced one: its value in the best configuration."""
    selected = select_trials(trials, figure.where | figure.at)
    rows = summary(run).filter(pl.col("configuration").is_in(selected["configuration"].unique().implode()))
    rows = rows.filter(pl.col("diverged") + pl.col("missing") < pl.col("trials"))
    if run.study.design == "one_at_a_time" and not rows.is_empty():
        rows = alone(rows, figure.metric, hyperparameter_columns(trials))
    best = rows.row(0, named=True) if rows.height else {}
    ours = best.get(figure.metric)
    row = dict.fromkeys(SCHEMA) | {
        "place": place,
        "where": figure.where,
        "metric": figure.metric,
        "at": figure.at,
        "text": figure.text,
    }
    gap = None if ours is None or figure.value is None else ours - figure.value
    return row | {"reported": figure.value, "ours": ours, "difference": gap, "configuration": best.get("configuration")}


def _best(run: Run, trials: pl.DataFrame, metric: str, step: int | None) -> dict[str, Any]:
    """The best configuration by mean over seeds; empty where there is none, or several kinds of loss."""
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
    """The metric of each trial that has a number: from the curves where a step is named, else the column of that name,
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
