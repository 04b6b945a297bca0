"""The curves of a run, trial by trial, thinned to what a dashboard can show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from fallline.errors import StoreError
from fallline.store import Run
from fallline.store.files import PARQUET_FAILURES, damaged

MOST_ROWS = 4_000_000
"""Rows of curves that are read at a time, about: 110 MB a metric."""

POINTS = 200
"""Points of a curve of a trial, unless told otherwise: as many as a picture of it resolves."""

SCHEMA = {"trial": pl.String, "step": pl.Int64, "metric": pl.String, "value": pl.Float64}


def curves_of_trials(run: Run, most: int) -> Iterator[tuple[str, pl.DataFrame]]:
    """Each trial with its points, a row a (step, metric) sorted by step; some trials are in memory at a time.

    Of each metric at most ``most`` points, 0: all. What was not recorded, or is infinite, has no row.
    """
    _ = run.curves  # says what to do where a block's file is gone
    for (block,), trials in run.trials.group_by("block", maintain_order=True):
        path = run.paths.curves(str(block))
        rows = pl.scan_parquet(path, glob=False)
        names = [
            name for name, kind in rows.collect_schema().items() if name not in ("trial", "step") and kind.is_numeric()
        ]
        together = max(1, MOST_ROWS * trials.height // max(1, rows.select(pl.len()).collect().item()))
        for own in trials.select("trial").iter_slices(together):
            read = rows.filter(pl.col("trial").is_in(own["trial"].implode()))
            parts = [thinned(_read(read.select("trial", "step", name), path), name, most) for name in names]
            points = pl.concat([pl.DataFrame(schema=SCHEMA), *parts])
            found = points.sort("step", maintain_order=True).partition_by("trial", as_dict=True)
            for trial in own["trial"]:
                yield trial, found.get((trial,), pl.DataFrame(schema=SCHEMA))


def _read(rows: pl.LazyFrame, path: Path) -> pl.DataFrame:
    try:
        return rows.collect()
    except PARQUET_FAILURES as failure:
        raise StoreError(damaged(path, failure)) from None


def thinned(curves: pl.DataFrame, name: str, most: int) -> pl.DataFrame:
    """Of column ``name``, for each trial at most ``most`` rows spread evenly over those recorded, the ends among them.

    Evenly in the rows: of n rows, those where floor(row (most - 1) / (n - 1)) grows.
    """
    rows = (
        curves.select("trial", pl.col("step").cast(pl.Int64), metric=pl.lit(name), value=pl.col(name).cast(pl.Float64))
        .filter(pl.col("value").is_finite())
        .sort("trial", "step")
    )
    if not most:
        return rows
    row = pl.int_range(pl.len()).over("trial")
    n = pl.len().over("trial").cast(pl.Int64)
    grows = row * (most - 1) // (n - 1) > (row - 1) * (most - 1) // (n - 1)
    return rows.filter((n <= most) | grows)
