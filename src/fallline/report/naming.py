"""Names that differ: with how many digits the settings of a run are written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fallline.report import formatting
from fallline.stats.cached import once
from fallline.stats.columns import recipe_columns
from fallline.store import Run


def named(run: Run | None, row: Mapping[str, Any], columns: Iterable[str]) -> str:
    """The settings of ``row`` in words, which differ from those of every other recipe of the run that differs."""
    return formatting.recipe(row, columns, digits_of(run))


def digits_of(run: Run | None) -> formatting.Digits:
    """By column of the recipe, the digits with which all values of the run that differ are written differently; of
    columns for which the usual ones do not. Empty where no run is at hand."""
    return formatting.USUAL if run is None else _digits(run)


@once
def _digits(run: Run) -> dict[str, int]:
    names = [name for name in (*recipe_columns(run.trials), "epochs") if name in run.trials.columns]
    found = {
        name: formatting.digits_apart(run.trials[name].unique().to_list())
        for name in names
        if run.trials.schema[name].is_float()
    }
    return {name: digits for name, digits in found.items() if digits > formatting.LEAST}
