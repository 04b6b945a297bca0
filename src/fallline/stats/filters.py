"""Selecting trials by a table of a study: ``{optimizer = "adam", learning_rate = [0.01, 0.1]}``."""

from __future__ import annotations

from typing import Any

import polars as pl

from fallline.study.column_words import NULL_WORDS
from fallline.study.formatting import exact


def select_trials(trials: pl.DataFrame, kept: dict[str, Any]) -> pl.DataFrame:
    """The rows whose columns have these values, or one of them where a list is given.

    Numbers are equal to one part in 10^9. An unknown column selects nothing. A batch size of "all" and a hyperparameter
    that is "off" are nulls; a hyperparameter that is itself a list matches that list.
    """
    for column, wanted in kept.items():
        if column not in trials.columns:
            return trials.clear()
        listed = isinstance(wanted, (list, tuple))
        values = [*wanted, wanted] if listed and trials.schema[column] == pl.String else wanted if listed else [wanted]
        trials = trials.filter(pl.any_horizontal(_equal(column, value) for value in values))
    return trials


def _equal(column: str, value: Any) -> pl.Expr:
    if value is None or (column in NULL_WORDS and value == NULL_WORDS[column]):
        return pl.col(column).is_null()
    if isinstance(value, (list, tuple)):
        return pl.col(column) == ", ".join(map(exact, value))
    if isinstance(value, (bool, int, float)):
        number = pl.col(column).cast(pl.Float64, strict=False)
        return (number - float(value)).abs() <= 1e-9 * abs(float(value))
    return pl.col(column).cast(pl.String) == str(value)
