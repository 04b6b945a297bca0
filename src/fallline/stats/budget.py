"""Training budgets: epochs, steps and examples for each batch policy."""

from __future__ import annotations

import polars as pl

from fallline.stats.columns import POLICY, trials_of
from fallline.store import Run


def budgets(run: Run) -> pl.DataFrame:
    """One row per batch policy and budget, in the order they were run; no rows for folders without these records.

    Columns: task, data, the batch policy, early_stop, workers, train_examples, steps_an_epoch (steps over epochs),
    epochs, steps, examples_seen (mean, where early stopping ended some before), trials, stopped (count), stopped_at
    (median step of those).
    """
    trials = trials_of(run)
    if not {"epochs", "train_examples", "examples_seen"} <= set(trials.columns):
        return pl.DataFrame()
    names = ["task", "data", *POLICY, "early_stop", "workers", "train_examples", "steps"]
    keys = [name for name in names if name in trials.columns]
    early = pl.col("status") == "stopped"
    at = pl.col("stopped_at") if "stopped_at" in trials.columns else pl.lit(None, pl.Int64)
    grouped = (
        trials.drop_nulls("epochs")
        .group_by(keys, maintain_order=True)
        .agg(
            pl.col("epochs").first(),
            pl.col("examples_seen").mean(),
            trials=pl.len(),
            stopped=early.sum(),
            stopped_at=at.filter(early).median(),
        )
    )
    return grouped.with_columns(steps_an_epoch=pl.col("steps") / pl.col("epochs"))
