"""Keeping the trials that a study's text means: ``{optimizer = "adam", learning_rate = [0.01, 0.1]}``."""

from __future__ import annotations

from typing import Any

import polars as pl


def where(trials: pl.DataFrame, kept: dict[str, Any]) -> pl.DataFrame:
    """The rows whose columns have these values, or one of these where a list is given.

    Numbers count as equal to one part in 10^9. A column that is not there keeps nothing.
    """
    for column, wanted in kept.items():
        if column not in trials.columns:
            return trials.clear()
        values = wanted if isinstance(wanted, (list, tuple)) else [wanted]
        trials = trials.filter(pl.any_horizontal(_equal(column, value) for value in values))
    return trials


def _equal(column: str, value: Any) -> pl.Expr:
    if value is None or (column == "batch_size" and value == "all"):
        return pl.col(column).is_null()
    if isinstance(value, (bool, int, float)):
        return (pl.col(column).cast(pl.Float64) - float(value)).abs() <= 1e-9 * abs(float(value))
    return pl.col(column).cast(pl.String) == str(value)
