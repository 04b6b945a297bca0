"""The training time of one trial by itself, where it was measured."""

from __future__ import annotations

import polars as pl

from fallline.store import Run


def seconds_alone(run: Run) -> pl.DataFrame:
    """One row per block: the seconds of one of its trials when nothing else runs, without compiling.

    That is the block's ``alone_seconds`` where it was measured, or its own time where it trained a single trial and no
    other block ran at the same time; else null, since a share of a program's time is not the time of one trial.
    """
    rows = []
    for row in run.timings.iter_rows(named=True):
        single = row["lanes"] == 1 and (row.get("layout") or {}).get("workers", 1) == 1
        own = (row["warmup_seconds"] or 0.0) + (row["steady_seconds"] or 0.0) if single else None
        measured = row.get("alone_seconds")
        rows.append((row["block"], own if measured is None else measured))
    return pl.DataFrame(rows, schema={"block": pl.String, "seconds_alone": pl.Float64}, orient="row")
