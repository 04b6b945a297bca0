"""The curves of a run, trial by trial, thinned to what a dashboard can show."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from fallline.store import Run
from fallline.store.files import read_parquet

POINTS = 200
"""Points of a curve of a trial, unless told otherwise: as many as a picture of it resolves."""

SCHEMA = {"trial": pl.String, "step": pl.Int64, "metric": pl.String, "value": pl.Float64}


def curves_of_trials(run: Run, most: int) -> Iterator[tuple[str, pl.DataFrame]]:
    """Each trial with its points, a row a (step, metric) sorted by step; one block is in memory at a time.

    Of each metric at most ``most`` points, 0: all. What was not recorded, or is infinite, has no row.
    """
    _ = run.curves  # says what to do where a block's file is gone
    for (block,), trials in run.trials.group_by("block", maintain_order=True):
        path = run.layout.curves(str(block))
        schema = read_parquet(path).head(0).schema
        names = [name for name, kind in schema.items() if name not in ("trial", "step") and kind.is_numeric()]
        parts = [thinned(read_parquet(path, ["trial", "step", name]), name, most) for name in names]
        points = pl.concat([pl.DataFrame(schema=SCHEMA), *parts])
        found = points.sort("step", maintain_order=True).partition_by("trial", as_dict=True)
        for trial in trials["trial"]:
            yield trial, found.get((trial,), pl.DataFrame(schema=SCHEMA))


def thinned(curves: pl.DataFrame, name: str, most: int) -> pl.DataFrame:
    """Of column ``name``, for each trial at most ``most`` rows spread evenly over those recorded, the ends among them.

    Evenly in the rows: of n rows, those where floor(row (most - 1) / (n - 1)) grows.
    """
    rows = curves.select("trial", pl.col("step").cast(pl.Int64), metric=pl.lit(name), value=pl.col(name)
                         .cast(pl.Float64)).filter(pl.col("value").is_finite()).sort("trial", "step")
    if not most:
        return rows
    row = pl.int_range(pl.len()).over("trial")
    n = pl.len().over("trial").cast(pl.Int64)
    grows = row * (most - 1) // (n - 1) > (row - 1) * (most - 1) // (n - 1)
    return rows.filter((n <= most) | grows)
