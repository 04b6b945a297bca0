"""The tables of a report: ranked rows with their intervals, published figures, frames as they are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from fallline.report import formatting
from fallline.report.document import Column, Intervals, Table
from fallline.report.results import Results, columns

if TYPE_CHECKING:
    from fallline.report.comparison import Comparison

SHOWN, MOST_SHOWN, MOST_ROWS = 10, 50, 1000
"""Rows shown at first, the most of them in a long table, and the most rows on the page; the CSV has all."""

_DIGITS = r"[−+]?\d[\d,.e−+±~ -]*"
_NUMBER = re.compile(
    rf"{_DIGITS}( to {_DIGITS})?( ?%| (s|ms|µs|min|h|d|B|kB|MB|GB|times))?( \((−?\d+ ?%|sd [\d.e−+-]+)\))?"
    r"|\d+ of \d+|–|∞|never"
)
_FIRST = re.compile(r"[−+-]?\d[\d,]*\.?\d*(e[−+-]?\d+)?")


def ranked_table(results: Results, frame: pl.DataFrame, shown: int = SHOWN, name: str = "", caption: str = "") -> Table:
    """The ranked rows of ``frame`` (of ``ranked`` or ``best``), the first of them shown at first."""
    held = frame.head(MOST_ROWS)
    found = columns(results, held)
    ends = [tuple(row) for row in held.select(_ends(results.metric.column)).rows()]
    return Table(
        found,
        shown,
        name,
        caption,
        frame.height,
        # One scale for kinds of loss that differ would compare what cannot be compared.
        None if results.metric.within else Intervals(_last(found, "n", "95 % CI"), ends),
        held["optimizer"].to_list(),
        frozenset(place for place, rank in enumerate(held["rank"]) if rank == 1),
    )


def arms_table(
    found: Sequence[Column], comparison: Comparison, shown: int = 16, name: str = "", caption: str = ""
) -> Table:
    """The columns ``found`` of a comparison with their intervals; the best of each group is emphasised."""
    arms = comparison.arms
    after = max(place for place, column in enumerate(found) if column.heading == "n" or column.heading.endswith(" CI"))
    return Table(
        found,
        shown,
        name,
        caption,
        intervals=Intervals(after, arms.select("mean", "low", "high").rows()),
        optimizers=arms["optimizer"].to_list() if "optimizer" in arms.columns else None,
        best=frozenset(number for number, place in enumerate(arms["place"]) if place == 1),
    )


def _ends(column: str) -> list[str]:
    return [f"{column}_{part}" for part in ("mean", "low", "high")]


def _last(found: Sequence[Column], *headings: str) -> int:
    """The number of the last column with one of these headings."""
    return max(place for place, column in enumerate(found) if column.heading in headings)


WRAPPED = ("what_it_does", "configuration", "in_words", "claim", "verdict", "text")
"""Columns of long texts."""

AS_WRITTEN = ("class", "panel", "configuration", "in_words")
"""Columns whose texts are not changed: the user's names, and texts in words."""

RESULTS = ("value", "mean")
"""Columns of results, which are rounded; other numbers are settings."""


def frame_table(frame: pl.DataFrame) -> Table:
    """A frame as it is: words left-aligned, numbers right-aligned."""
    held = frame.head(MOST_ROWS)
    return Table([_of_series(column) for column in held.iter_columns()], MOST_SHOWN, of=frame.height)


def _of_series(column: pl.Series) -> Column:
    name = column.name
    numeric = name not in AS_WRITTEN and _is_numbers(column)
    texts = ["" if value is None and name in AS_WRITTEN else _text(name, value) for value in column]
    values = [_number(text) for text in texts] if numeric and column.dtype == pl.String else column.to_list()
    return Column(formatting.name(name), texts, values, numeric, width="wrap" if name in WRAPPED else "")


def _text(name: str, value: Any) -> str:
    if name in AS_WRITTEN:
        return str(value)
    return formatting.number(value) if name in RESULTS else str(formatting.setting(value))


def _is_numbers(column: pl.Series) -> bool:
    if column.dtype.is_numeric():
        return True
    return column.dtype == pl.String and all(_NUMBER.fullmatch(text) for text in column.drop_nulls())


def _number(text: str) -> float | None:
    """The first number of a text, to sort by; None where it has none."""
    found = _FIRST.match(text)
    return None if found is None else float(found[0].replace("−", "-").replace(",", ""))
