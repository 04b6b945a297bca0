"""The frames of a run for pandas, and as one Parquet or CSV file each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from fallline.errors import StoreError, UnknownName
from fallline.exporting.needed import need
from fallline.report.export import without_formulas, write_table
from fallline.stats import summary
from fallline.store import Run
from fallline.store.files import PARQUET_FAILURES, write_parquet
from fallline.study.formatting import failure_summary

if TYPE_CHECKING:
    import pandas

FRAMES: dict[str, Callable[[Run], pl.DataFrame]] = {
    "trials": lambda run: run.trials,
    "curves": lambda run: run.curves.collect(),
    "summary": summary,
}
"""The frames of a run by name: one row per trial, per trial and step, and per configuration."""


def pandas_frame(run: Run, table: str) -> pandas.DataFrame:
    """The frame ``table``, one of ``FRAMES``, for pandas; a column of whole numbers with gaps becomes floats."""
    if table not in FRAMES:
        raise UnknownName("frame", table, FRAMES)
    need("pandas")
    return FRAMES[table](run).to_pandas()


def write_parquets(run: Run, folder: Path, home: Path, points: int, progress: Callable[[int, int], None]) -> None:
    """Write trials.parquet, curves.parquet and summary.parquet: complete, whatever ``points`` is."""
    for name in ("trials", "summary"):
        write_parquet(folder / f"{name}.parquet", FRAMES[name](run))
    _sink(run, folder / "curves.parquet", pl.LazyFrame.sink_parquet)


def write_csvs(run: Run, folder: Path, home: Path, points: int, progress: Callable[[int, int], None]) -> None:
    """Write trials.csv, curves.csv and summary.csv: complete, whatever ``points`` is; missing values are empty."""
    for name in ("trials", "summary"):
        write_table(folder / f"{name}.csv", FRAMES[name](run))
    _sink(run, folder / "curves.csv", lambda curves, path: without_formulas(curves).sink_csv(path))


def _sink(run: Run, path: Path, write: Callable[..., object]) -> None:
    """Write the curves piece by piece, since they may be larger than memory."""
    try:
        write(run.curves, path)
    except PARQUET_FAILURES as failure:
        raise StoreError(f"cannot copy the curves of {run.folder} to {path}: {failure_summary(failure)}") from None
