"""How many digits distinguish the settings of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fallline.report import formatting
from fallline.stats.cached import once
from fallline.stats.columns import recipe_columns
from fallline.store import Run


def named(run: Run | None, row: Mapping[str, Any], columns: Iterable[str]) -> str:
    """The settings of ``row`` in words, distinct from those of every other recipe of the run."""
    return formatting.recipe(row, columns, digits_of(run))


def digits_of(run: Run | None) -> formatting.Digits:
    """By recipe column, the digits that distinguish all different values of the run, for columns that need more than
    usual. Empty without a run.
    """
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
