"""Trials of several folds as one: means over the folds of a recipe and seed, once all folds are there."""

from __future__ import annotations

import polars as pl

from fallline.contracts import MetricName

OWN = ("fold", "folds", "across_folds")
"""Columns of trials whose data was cut into folds."""

FOLD = r", fold \d+ of \d+$"
"""How the column ``data`` of a fold ends."""

_FIRST = ("block", "cohort")
_LAST_STEP = ("steps_to_target", "diverged_at", "stopped_at")


def across_folds(trials: pl.DataFrame) -> pl.DataFrame:
    """``trials`` with the folds of a recipe and seed as one row, other trials as they are.

    Its name is the one that the folds share; results are means over the folds, steps at which something was reached
    are rounded means, ``train_examples`` the least. Where a fold diverged the row did, at the earliest step, and has no
    results; where one missed the target or has no value, so has the row. Rows whose folds are not all there are left
    out.
    """
    if "across_folds" not in trials.columns:
        return trials
    cut = trials.filter(pl.col("across_folds").is_not_null())
    joined = [_joined(cut, name) for name in cut.columns if name not in OWN]
    whole = cut.group_by("across_folds", maintain_order=True).agg(*joined, pl.len(), pl.col("folds").first())
    whole = whole.filter(pl.col("len") == pl.col("folds")).with_columns(trial=pl.col("across_folds"))
    others = trials.filter(pl.col("across_folds").is_null())
    return pl.concat(
        [others.drop(OWN), whole.select(name for name in trials.columns if name not in OWN)], how="vertical_relaxed"
    )


def curves_across_folds(trials: pl.DataFrame, curves: pl.LazyFrame) -> pl.LazyFrame:
    """``curves`` with those of the folds of a recipe and seed as one: means at the steps that all folds recorded."""
    if "across_folds" not in trials.columns:
        return curves
    names = trials.select("trial", "across_folds", "folds").lazy()
    known = curves.join(names, on="trial", how="left", maintain_order="left")
    columns = [name for name in curves.collect_schema().names() if name not in ("trial", "step")]
    cut = known.filter(pl.col("across_folds").is_not_null())
    means = cut.group_by("across_folds", "step").agg(
        *(_mean(pl.col(name)) for name in columns), pl.len(), pl.col("folds").first()
    )
    means = means.filter(pl.col("len") == pl.col("folds")).rename({"across_folds": "trial"})
    others = known.filter(pl.col("across_folds").is_null())
    order = curves.collect_schema().names()
    return pl.concat([others.select(order), means.select(order).sort("trial", "step")], how="vertical_relaxed")


def without_folds(trials: pl.DataFrame, rows: pl.LazyFrame) -> pl.LazyFrame:
    """``rows`` of trials, but for those of folds."""
    if "across_folds" not in trials.columns:
        return rows
    named = trials.filter(pl.col("across_folds").is_not_null())["trial"]
    return rows.filter(~pl.col("trial").is_in(named.to_list()))


def _joined(trials: pl.DataFrame, name: str) -> pl.Expr:
    """One value for the folds of a trial."""
    column, lost = pl.col(name), pl.col("status") == "diverged"
    if name == "status":
        stopped = (column == "stopped").any()
        return (
            pl.when(lost.any())
            .then(pl.lit("diverged"))
            .when(stopped)
            .then(pl.lit("stopped"))
            .otherwise(pl.lit("done"))
            .alias(name)
        )
    if name == "data":
        size = column.str.replace(FOLD, "")
        return (size + ", " + pl.col("folds").cast(pl.String) + " folds").first().alias(name)
    if name in ("diverged_at", "train_examples"):
        return column.min()
    if name == "stopped_at":
        return column.mean().round().cast(pl.Int64)
    kind = trials.schema[name]
    if name in _FIRST or not kind.is_numeric() or not _differs(trials, name):
        return column.first()
    if MetricName.parse(name).is_step or name in _LAST_STEP:
        return _mean(column).round().cast(kind)
    return _mean(column)


def _differs(trials: pl.DataFrame, name: str) -> bool:
    """Whether folds of one trial differ in that column; what they agree in, as the recipe, stays to the last digit."""
    return trials.group_by("across_folds").agg(pl.col(name).n_unique())[name].max() > 1


def _mean(column: pl.Expr) -> pl.Expr:
    """The mean where every fold has a value, else null."""
    return pl.when(column.null_count() == 0).then(column.mean())
