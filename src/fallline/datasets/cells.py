"""The cells of a CSV file with a header, as text and as numbers; errors name line and column."""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fallline.datasets.source import CHUNK_BYTES, Source
from fallline.errors import DataError

if TYPE_CHECKING:
    import polars as pl

MAX_BYTES, MAX_ROWS = 200_000_000, 10_000_000
SEPARATORS = ";\t|,"
"""What separates the cells of a table that is not written with commas, the likeliest first."""

MAX_HEADER, MAX_COLUMNS = 1_000_000, 10_000
SHOWN = 40
"""Characters of a cell that an error shows."""


@dataclass(frozen=True)
class TableCells:
    """The rows under a header: ``columns[i]`` are the cells, as text, of the column named ``names[i]``.

    ``records`` [rows] is the number of each row in the file, the header being 0: rows without any cell are skipped.
    """

    path: Path
    data: bytes
    separator: str
    names: tuple[str, ...]
    columns: Sequence[pl.Series]
    records: pl.Series

    def column(self, name: str) -> pl.Series:
        """The cells of a column without spaces around them; DataError where no column or two have that name."""
        found = [i for i, known in enumerate(self.names) if known == name]
        if len(found) > 1:
            raise DataError(f"{self.path} has {len(found)} columns named {name}; rename all but one")
        if not found:
            raise DataError(f"{self.path} has no column named {name!r}; {self._near(name)}")
        return self.columns[found[0]].str.strip_chars()

    def empty(self, name: str) -> int | None:
        """The first row in which a column has no cell, or an empty one."""
        cells = self.column(name)
        return _first(cells.is_null() | (cells == ""))

    def numbers(self, name: str) -> np.ndarray:
        """A column as float64 [rows]; DataError with line and column for the first cell that is no finite number."""
        cells = self.column(name)
        values = self.parsed(name)
        if (row := _first(values.is_null())) is not None:
            what = f"{cells[row][:SHOWN]!r} is no number" if cells[row] else "the cell is empty"
            raise self.wrong(row, name, f"{what}; every row needs a number there")
        large = values.is_nan() | (values.abs() > float(np.finfo(np.float32).max))
        if (row := _first(large)) is not None:
            raise self.wrong(
                row,
                name,
                f"{cells[row][:SHOWN]} is not a finite number of 32 bits; remove the row, or put a number there",
            )
        return values.to_numpy()

    def parsed(self, name: str) -> pl.Series:
        """A column as float64, null where a cell is no number."""
        import polars as pl

        return self.column(name).cast(pl.Float64, strict=False)

    def wrong(self, row: int, name: str, message: str) -> DataError:
        """The error about a cell, with its position in the file."""
        return DataError(f"{self.path}, {self._place(row)}, column {name}: {message}")

    def _place(self, row: int) -> str:
        """The first line of a row, in words: a quoted cell may hold line ends."""
        record = int(self.records[row])
        try:
            for place, (line, _) in enumerate(_records(self.path, self.data, self.separator)):
                if place == record:
                    return f"line {line}"
        except DataError:
            pass  # rows cannot be separated, so lines cannot be counted
        return f"row {record}"

    def _near(self, name: str) -> str:
        near = difflib.get_close_matches(name, self.names, n=3, cutoff=0.5)
        if near:
            return "did you mean " + " or ".join(near) + "?"
        shown = ", ".join(self.names[:12]) + (", ..." if len(self.names) > 12 else "")
        hint = f" (cells are read as separated by {self.separator!r})" if len(self.names) == 1 else ""
        return f"there are: {shown}{hint}"


def read_cells(path: Path | str, separator: str = ",", max_bytes: int = MAX_BYTES) -> TableCells:
    """The cells of the CSV file at ``path``, plain or gzipped; DataError where it is not a table with a header."""
    path = Path(path)
    if not isinstance(separator, str) or len(separator) != 1 or not separator.isascii() or separator in '"\r\n':
        raise DataError(f"{path}: separator must be one character, as ',' or ';', got {separator!r}")
    data = _text(path, max_bytes)
    names = _header(path, data, separator)
    columns = _columns(path, data, separator, len(names))
    return TableCells(path, data, separator, names, columns[1:], columns[0])


def _text(path: Path, max_bytes: int) -> bytes:
    """The content as UTF-8 with line ends of one character."""
    data = bytearray()
    with Source(path) as source:
        while piece := source.read(CHUNK_BYTES):
            data += piece
            if len(data) > max_bytes:
                raise DataError(
                    f"{path} holds more than {max_bytes:,} bytes, the limit for a table: take fewer rows or columns"
                )
    text = bytes(data.removeprefix(b"\xef\xbb\xbf"))
    if not text.strip():
        raise DataError(f"{path} is empty; a table has a line with the names of its columns, then one line per row")
    if 0 in text:
        raise DataError(f"{path} is not text: it holds a zero byte; a table is a CSV file in UTF-8")
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as failure:
        raise DataError(
            f"{path} is not UTF-8 text: {failure.reason} at byte {failure.start:,}; save it as CSV in UTF-8"
        ) from None
    return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _header(path: Path, data: bytes, separator: str) -> tuple[str, ...]:
    """The names of the columns in the first line."""
    line = data[: data.find(b"\n")] if b"\n" in data else data
    if len(line) > MAX_HEADER:
        raise DataError(f"{path}: the first line has {len(line):,} bytes; a header has at most {MAX_HEADER:,}")
    names = next((tuple(name.strip() for name in record) for _, record in _records(path, line, separator)), ())
    if not any(names) or line.strip() == b"":
        raise DataError(f"{path} has no header: line 1 is empty; it must name the columns")
    if all(_is_number(name) for name in names if name):
        raise DataError(
            f"{path} has no header: line 1 holds numbers only, {', '.join(names[:4])[:SHOWN]}; "
            "put a line with the names of the columns before it"
        )
    if len(names) == 1 and (other := next((one for one in SEPARATORS if one != separator and one in names[0]), None)):
        raise DataError(
            f"{path}: line 1 names one column, {names[0][:SHOWN]!r}, with {other!r} in it, so that is most "
            f"likely what separates the cells: write separator = {other!r} where the table is read, or "
            f"save it with {separator!r}"
        )
    if len(names) > MAX_COLUMNS:
        raise DataError(f"{path} has {len(names):,} columns; a table has at most {MAX_COLUMNS:,}")
    return names


def _columns(path: Path, data: bytes, separator: str, columns: int) -> list[pl.Series]:
    """The number of each row that has a cell, then the columns under the header as text."""
    import polars as pl

    names = [str(i) for i in range(columns)]
    try:
        frame = pl.read_csv(
            io.BytesIO(data),
            has_header=False,
            separator=separator,
            n_rows=MAX_ROWS + 2,
            schema=dict.fromkeys(names, pl.String),
        )
    except pl.exceptions.PolarsError as failure:
        for line, record in _records(path, data, separator):
            if record and len(record) != columns:
                raise DataError(
                    f"{path}, line {line}: {len(record)} cells, the header names {columns}; give each row "
                    "one cell per column"
                ) from None
        raise DataError(f"cannot read {path} as CSV: {str(failure).splitlines()[0]}") from None
    if frame.height > MAX_ROWS + 1:
        raise DataError(f"{path} has more than {MAX_ROWS:,} rows; take fewer")
    frame = frame.with_row_index("record")[1:].filter(~pl.all_horizontal(pl.col(names).is_null()))
    if frame.is_empty():
        raise DataError(f"{path} has a header and no rows")
    return frame.get_columns()


def _records(path: Path, data: bytes, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Each row, the header and empty lines too, with its first line."""
    reader = csv.reader(io.TextIOWrapper(io.BytesIO(data), "utf-8", newline=""), delimiter=separator)
    line = 1
    while True:
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as failure:
            raise DataError(f"{path}, line {line}: {failure}") from None
        yield line, record
        line = reader.line_num + 1


def _first(flags: pl.Series) -> int | None:
    """The index of the first true value."""
    return flags.index_of(True)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
