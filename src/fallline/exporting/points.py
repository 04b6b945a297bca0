"""The curves of a run, trial by trial, thinned to a number of points that a dashboard can show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from fallline.errors import StoreError
from fallline.store import Run
from fallline.store.files import PARQUET_FAILURES, damaged

MOST_ROWS = 4_000_000
"""About so many rows of curves are read at a time: 110 MB per metric."""

POINTS = 200
"""Points per curve of a trial by default: as many as a picture resolves."""

SCHEMA = {"trial": pl.String, "step": pl.Int64, "metric": pl.String, "value": pl.Float64}


def curves_of_trials(run: Run, most: int) -> Iterator[tuple[str, pl.DataFrame]]:
    """Each trial with its points, one row per step and metric, sorted by step; some trials are in memory at a time.

    At most ``most`` points per metric, 0: all. What was not recorded, or is not finite, has no row.
    """
    _ = run.curves  # raises with a remedy where the file of a block is missing
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
    """For each trial at most ``most`` rows of column ``name``, evenly spaced over those recorded, both ends included.

    Evenly spaced in rows: of n rows, those at which floor(row (most - 1) / (n - 1)) increases.
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
