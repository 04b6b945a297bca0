"""Values that are missing from finished trials: recorded, and not a number (NaN or infinite).

Such a trial counts: it is as bad as one that diverged, and is named apart. What was never recorded is none of these.
"""

from __future__ import annotations

import polars as pl

from fallline.contracts import MetricName
from fallline.stats.columns import finished
from fallline.store import Run


def missing(run: Run, column: str) -> pl.Expr:
    """Whether a trial finished and its result ``column``, which was recorded, is not a number: a column of booleans."""
    return recorded(run, column) & not_a_number(column)


def recorded(run: Run, column: str) -> pl.Expr:
    """Whether a trial finished and its block recorded the result ``column``; the mean over the last steps of a run
    (``tail_``) is not recorded of trials that were stopped before these."""
    ended = pl.col("status") == "done" if MetricName.parse(column).statistic == "tail" else finished()
    return ended & pl.col("block").is_in(run.records(column))


def not_a_number(column: str) -> pl.Expr:
    """Whether a value is null, NaN or infinite."""
    return ~pl.col(column).cast(pl.Float64).is_finite().fill_null(False)
