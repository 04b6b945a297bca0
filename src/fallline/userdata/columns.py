"""What each column of a table is: a number, a category, a date, or nothing to learn from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fallline.errors import DataError, FalllineError, UnknownName
from fallline.userdata.reading import RawTable

if TYPE_CHECKING:
    import polars as pl

KINDS = ("number", "category", "date", "drop")
"""What a study may say of a column under [data.columns]."""

FEW_VALUES = 10
"""Whole numbers with at most this many different values, each on ten rows in the mean, are categories."""

MANY_ROWS = 20
"""Rows from which on a column whose every value is different is taken for an identifier."""

NEARLY = 0.9
"""The share of numbers from which on a column with other cells is a column of numbers with mistakes."""

MOST_ERRORS = 6
"""Columns with errors that are shown at once; each takes two lines of a terminal."""

DATE_FORMATS = (
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y/%m/%d",
    "%d.%m.%Y",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%Y%m%d",
)
"""Formats of dates, the first that fits all cells is taken; digits alone are dates only where a study says so."""

IDENTIFIER = re.compile(r"(^|[_\s-])(id|uuid|guid|key|index|rownumber|row_number)$|(Id|ID)$", re.ASCII)


@dataclass(frozen=True)
class ColumnDecision:
    """What was decided for a column: its ``kind`` ("number", "category", "date", "drop", "target" or "split") and why.

    ``values`` different ones and ``missing`` cells were seen; ``format`` is that of dates. ``given``: the study says
    so.
    """

    name: str
    kind: str
    why: str
    values: int
    missing: int
    format: str = ""
    given: bool = False


def decide_columns(
    table: RawTable, targets: Sequence[str], by: str, chosen: dict[str, str]
) -> tuple[ColumnDecision, ...]:
    """The decision for every column in the order of the file.

    ``targets`` are the columns to predict, ``by`` is the one that splits the rows (or empty), ``chosen`` the kinds that
    the study gives. UnknownName for a name or kind that does not exist; DataError for a column of numbers with cells
    that are none.
    """
    known = table.frame.columns
    decisions: list[ColumnDecision] = []
    errors: list[FalllineError] = []
    for name in dict.fromkeys([*targets, *([by] if by else []), *chosen]):
        if name not in known:
            errors.append(UnknownName(f"column of {table.path.name}", name, known, "[data]"))
    for name, kind in chosen.items():
        if kind not in KINDS:
            errors.append(UnknownName("kind of column", kind, KINDS, f"[data.columns] {name}"))
        elif name in targets:
            errors.append(
                DataError(f"the column {name} is the target, so [data.columns] cannot say what kind of input it is")
            )
    for name in known:
        try:
            decisions.append(_decision(table, name, targets, by, chosen.get(name, "")))
        except DataError as failure:
            errors.append(failure)
    if len(errors) > 1:
        shown = [f"  {error}" for error in errors[:MOST_ERRORS]]
        more = [f"  and {len(errors) - MOST_ERRORS} more"] * (len(errors) > MOST_ERRORS)
        raise DataError("\n".join([f"table {table.path.name} cannot be used:", *shown, *more]))
    if errors:
        raise errors[0]
    return tuple(decisions)


def _decision(table: RawTable, name: str, targets: Sequence[str], by: str, chosen: str) -> ColumnDecision:
    cells = table.frame[name]
    counted = {"values": cells.drop_nulls().n_unique(), "missing": cells.null_count()}
    if name in targets:
        return ColumnDecision(name, "target", "what is predicted", **counted)
    if name == by and chosen in ("", "drop"):
        return ColumnDecision(name, "split", "it says which rows are held out", **counted)
    if chosen:
        date_format = _date_format(cells, digits=True) if chosen == "date" else ""
        if chosen == "date" and not date_format:
            row = _first_without(cells, DATE_FORMATS)
            raise DataError(
                f"{table.path}, {table.place(row, name)}: {str(cells[row])[:40]!r} is no date in a known format "
                f'({", ".join(DATE_FORMATS[:4])}, ...); write [data.columns] {name} = "category" or "drop"'
            )
        if chosen == "number":
            _need_numbers(table, name)
        return ColumnDecision(name, chosen, "the study says so", format=date_format, given=True, **counted)
    kind, why, date_format = _kind(table, name, cells, counted["values"])
    return ColumnDecision(name, kind, why, format=date_format, **counted)


def _kind(table: RawTable, name: str, cells: pl.Series, values: int) -> tuple[str, str, str]:
    """The kind of a column, the reason, and the format of dates."""
    import polars as pl

    known = cells.drop_nulls()
    rows = len(known)
    if values == 0:
        return "drop", "every cell is empty", ""
    if values == 1:
        return "drop", f"every cell is {str(known[0])[:30]!r}", ""
    numbers = known.cast(pl.Float64, strict=False)
    are_numbers = rows - numbers.null_count()
    if are_numbers == rows:
        _need_numbers(table, name)
        whole = bool((numbers == numbers.floor()).all())
        if whole and values == rows >= MANY_ROWS and (IDENTIFIER.search(name) or _consecutive(numbers)):
            return "drop", "an identifier: whole numbers, each once", ""
        if whole and 2 < values <= FEW_VALUES and rows >= 10 * values:
            return "category", f"{values} different whole numbers", ""
        return "number", "numbers", ""
    if date_format := _date_format(known):
        return "date", f"dates, read as {date_format}", date_format
    if are_numbers >= NEARLY * rows:
        _need_numbers(table, name)
    if rows >= MANY_ROWS and values > NEARLY * rows:
        return "drop", "an identifier or free text: nearly every row has a value of its own", ""
    return "category", f"{values} different texts", ""


def _need_numbers(table: RawTable, name: str) -> None:
    """DataError for the first cell that is no finite number."""
    import polars as pl

    cells = table.frame[name]
    numbers = cells.cast(pl.Float64, strict=False)
    wrong = cells.is_not_null() & (numbers.is_null() | ~numbers.is_finite() | (numbers.abs() > 1e37)).fill_null(True)
    if wrong.any():
        row, count = int(wrong.arg_max()), int(wrong.sum())
        text = str(cells[row])[:40]
        raise DataError(
            f"{table.path}, {table.place(row, name)}: {text!r} is no finite number, and "
            f"{len(cells) - cells.null_count() - count:,} other cells of the column are ({count:,} "
            f"{'is' if count == 1 else 'are'} not). Correct the file; or, where it means that nothing is known, write "
            f'[data] missing = ["{text}"]; or take the column as words: [data.columns] {name} = "category"'
        )


def _consecutive(numbers: pl.Series) -> bool:
    return numbers.max() - numbers.min() + 1 == len(numbers)


def _date_format(known: pl.Series, digits: bool = False) -> str:
    """The first format that fits every cell, or ""."""
    known = known.drop_nulls()
    return next(
        (
            form
            for form in DATE_FORMATS
            if (digits or form != "%Y%m%d")
            and parse_dates(known.head(50), form).null_count() == 0
            and parse_dates(known, form).null_count() == 0
        ),
        "",
    )


def _first_without(cells: pl.Series, formats: Sequence[str]) -> int:
    """The first row that no format reads."""
    import polars as pl

    read = pl.Series([False] * len(cells))
    for form in formats:
        read = read | parse_dates(cells, form).is_not_null()
    wrong = cells.is_not_null() & ~read
    return int(wrong.arg_max()) if wrong.any() else 0


def parse_dates(cells: pl.Series, form: str) -> pl.Series:
    """Datetimes, null where a cell is not of that format."""
    import polars as pl

    if "%H" in form:
        return cells.str.to_datetime(form, strict=False, time_unit="us")
    return cells.str.to_date(form, strict=False).cast(pl.Datetime("us"))
