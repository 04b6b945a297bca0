"""One row per configuration: mean, standard deviation and 95 % CI over its seeds, ranked."""

from __future__ import annotations

import polars as pl

from fallline.stats.cached import once
from fallline.stats.columns import configurations, finished, metric_columns, recipe_columns
from fallline.stats.distributions import t_quantile
from fallline.stats.metric import MetricView, primary
from fallline.stats.missing import missing
from fallline.store import Run

CONFIDENCE = 0.95
FEW_SEEDS = 5
"""With fewer seeds a CI says little; figures then show minimum and maximum."""


@once
def summary(run: Run) -> pl.DataFrame:
    """One row per configuration, best first.

    Columns: rank, configuration, the recipe with epochs and loss_kind where recorded; trials, diverged, missing (of the
    finished trials those whose primary metric is not a number) and stopped (counts; what early stopping ended has
    results), stopped_at (median step of those); best (mean over seeds of the
    best value of the primary metric during training), when (median step of it); steps_to_target (median over seeds, in
    which runs that do not reach the target count as infinite, so null where half or more do not), reached (count); and
    for each metric M: M_mean, M_sd (n - 1), M_n, M_low, M_high (95 % CI, Student's t). With one seed sd and CI are
    null. Trials that diverged count in ``diverged`` only; M_n counts the trials that have a number. Configurations that
    diverged or have no number with some seeds come after those with a number at every seed. Where the metric can only
    be compared ``within`` a kind of loss, the kinds follow one another and ``rank`` restarts in each.
    """
    metric = primary(run)
    trials = _with_marks(run, configurations(run))
    names = metric_columns(trials)
    is_finished = finished()
    is_missing = missing(run, metric.column) if metric.column in trials.columns else pl.lit(False)
    trials = trials.with_columns(missing=is_missing)
    hyperparameters = [pl.when(pl.col(name).cast(pl.Float64).is_finite()).then(pl.col(name)) for name in names]
    trials = trials.with_columns(
        pl.when(is_finished).then(one).alias(name) for one, name in zip(hyperparameters, names, strict=True)
    )
    keys = ["configuration", *recipe_columns(trials)]
    grouped = trials.group_by(keys, maintain_order=True).agg(
        pl.len().alias("trials"),
        (~is_finished).sum().alias("diverged"),
        pl.col("missing").sum(),
        *_early(trials),
        *(pl.col(name).first() for name in ("epochs", "loss_kind") if name in trials.columns),
        *_best(trials, metric),
        *_target(trials),
        *(expression for name in names for expression in _moments(name)),
    )
    return _ranked(_with_intervals(grouped, names), metric)


def interval_factor(n: int | None, confidence: float = CONFIDENCE) -> float | None:
    """Half the CI in units of the standard deviation: t / sqrt(n); None where n < 2."""
    return None if n is None or n < 2 else t_quantile(0.5 + confidence / 2, n - 1) / n**0.5


def _moments(name: str) -> list[pl.Expr]:
    column = pl.col(name)
    return [
        column.mean().alias(f"{name}_mean"),
        column.std(ddof=1).alias(f"{name}_sd"),
        column.count().alias(f"{name}_n"),
    ]


def _best(trials: pl.DataFrame, metric: MetricView) -> list[pl.Expr]:
    name, done = metric.best_column, finished()
    if name not in trials.columns:
        return [pl.lit(None, pl.Float64).alias("best"), pl.lit(None, pl.Float64).alias("when")]
    return [pl.col(name).filter(done).mean().alias("best"), pl.col(f"{name}_step").filter(done).median().alias("when")]


def _early(trials: pl.DataFrame) -> list[pl.Expr]:
    if "stopped_at" not in trials.columns or trials["stopped_at"].is_null().all():
        return []
    stopped = pl.col("status") == "stopped"
    return [stopped.sum().alias("stopped"), pl.col("stopped_at").filter(stopped).median()]


def _target(trials: pl.DataFrame) -> list[pl.Expr]:
    if "steps_to_target" not in trials.columns or trials["steps_to_target"].is_null().all():
        return []
    steps = pl.col("steps_to_target")
    median = steps.cast(pl.Float64).fill_null(float("inf")).median()
    return [pl.when(median.is_finite()).then(median).alias("steps_to_target"), steps.count().alias("reached")]


def _with_intervals(grouped: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    for name in names:
        counts = grouped[f"{name}_n"].unique().to_list()
        factor = pl.col(f"{name}_n").replace_strict(
            counts, [interval_factor(n) for n in counts], return_dtype=pl.Float64
        )
        half = factor * pl.col(f"{name}_sd")
        grouped = grouped.with_columns(
            (pl.col(f"{name}_mean") - half).alias(f"{name}_low"), (pl.col(f"{name}_mean") + half).alias(f"{name}_high")
        )
    return grouped


def _ranked(grouped: pl.DataFrame, metric: MetricView) -> pl.DataFrame:
    mean = f"{metric.column}_mean"
    if mean not in grouped.columns:  # no trial has a number
        grouped = grouped.with_columns(
            pl.lit(None, pl.Float64).alias(f"{metric.column}_{part}") for part in ("mean", "sd", "low", "high")
        )
        grouped = grouped.with_columns(pl.lit(0).alias(f"{metric.column}_n"))
    first = [metric.within] if metric.within else []
    order = [pl.col("configuration").min().over(name).alias("_kind") for name in first]
    lost = pl.col("diverged") + pl.col("missing")
    grouped = grouped.with_columns((lost / pl.col("trials")).alias("_share"), *order)
    keys = ["_kind"] * len(first) + ["_share", mean, "configuration"]
    falling = [False] * len(first) + [False, metric.up, False]
    found = grouped.sort(keys, descending=falling, nulls_last=True).drop("_share", "_kind", strict=False)
    if not first:
        return found.with_row_index("rank", offset=1)
    return found.insert_column(0, pl.lit(0).alias("rank")).with_columns(
        pl.int_range(1, pl.len() + 1).over(metric.within).alias("rank")
    )


def _with_marks(run: Run, trials: pl.DataFrame) -> pl.DataFrame:
    """The training loss at the logged steps of the study, one column each."""
    marks = run.study.marks
    if not marks:
        return trials
    found = run.curves.filter(pl.col("step").is_in(marks)).select("trial", "step", "train_loss").collect()
    for step in marks:
        at = found.filter(pl.col("step") == step).select("trial", pl.col("train_loss").alias(f"train_loss_at_{step}"))
        trials = trials.join(at, on="trial", how="left", maintain_order="left")
    return trials
