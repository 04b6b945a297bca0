"""The best configuration of each optimizer by the primary metric, with all its other metrics."""

from __future__ import annotations

import polars as pl

from fallline.stats.metric import primary
from fallline.stats.summary import summary
from fallline.store import Run


def best_of(run: Run, ranked: pl.DataFrame | None = None) -> pl.DataFrame:
    """One row per optimizer: the row of ``summary`` that ranks first among its configurations.

    Where only losses of one kind can be compared, one row per optimizer and kind. Added columns: tried
    (configurations), tried_trials, tried_diverged and tried_missing (counts over all of them), border ("lowest" or
    "highest" where the chosen learning rate is the edge of the search range, so that a wider range may do better). The
    choice never uses a test metric unless the study has no other.
    """
    ranked = summary(run) if ranked is None else ranked
    within = primary(run).within
    keys = ["optimizer", within] if within else ["optimizer"]
    tried = ranked.group_by(keys, maintain_order=True).agg(
        pl.len().alias("tried"),
        pl.col("trials").sum().alias("tried_trials"),
        pl.col("diverged").sum().alias("tried_diverged"),
        pl.col("missing").sum().alias("tried_missing"),
        *_range(ranked),
    )
    best = ranked.unique(keys, keep="first", maintain_order=True).join(tried, on=keys, maintain_order="left")
    if "_low" in best.columns:
        rate, has_range = (
            pl.col("learning_rate"),
            (pl.col("_low") < pl.col("_high")) & (pl.col("diverged") + pl.col("missing") < pl.col("trials")),
        )
        best = best.with_columns(
            pl.when(has_range & (rate == pl.col("_low")))
            .then(pl.lit("lowest"))
            .when(has_range & (rate == pl.col("_high")))
            .then(pl.lit("highest"))
            .alias("border")
        ).drop("_low", "_high")
    else:
        best = best.with_columns(pl.lit(None, pl.String).alias("border"))
    place = pl.int_range(1, pl.len() + 1)
    return best.with_columns((place.over(within) if within else place).alias("rank"))


def _range(ranked: pl.DataFrame) -> list[pl.Expr]:
    if "learning_rate" not in ranked.columns:
        return []
    rate = pl.col("learning_rate")
    return [rate.min().alias("_low"), rate.max().alias("_high")]
