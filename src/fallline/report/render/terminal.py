"""A table for a terminal, and the same as plain lines: for print, a notebook, a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fallline.errors import printable
from fallline.report.document import Column, Table

if TYPE_CHECKING:
    from rich.table import Table as RichTable

WIDE = 1000
"""Characters: no table is cut."""

GAP = 2
"""Characters between two columns."""

LEAST_COLUMNS = 3
"""So many columns stay in the narrowest terminal."""


def cell(text: object) -> str:
    """A text as it may stand in a table of rich's: nothing in it is read as a style, and nothing as a control."""
    from rich.markup import escape

    return escape(printable(str(text)))


def rich_table(table: Table, title: str = "", rows: int | None = None, stacked: bool = False) -> RichTable:
    """The first ``rows`` of ``table``, by default all; ``stacked`` headings have one word a line where they are wider
    than what is below them."""
    from rich.table import Table

    found = Table(
        title=cell(title) if title else None, box=None, pad_edge=False, title_justify="left", header_style="bold"
    )
    for column in table.columns:
        found.add_column(
            cell(_stacked(column) if stacked else column.heading),
            justify="right" if column.numeric else "left",
            no_wrap=True,
            min_width=_width(column) if stacked else None,
        )
    for place in range(min(table.height, table.height if rows is None else rows)):
        found.add_row(*(cell(column.texts[place]) for column in table.columns))
    return found


def fitting(columns: Sequence[Column], width: int | None) -> int:
    """How many of ``columns``, with stacked headings, fit into ``width`` characters from the left."""
    used = -GAP
    for place, column in enumerate(columns):
        used += GAP + _width(column)
        if width is not None and used > width and place >= LEAST_COLUMNS:
            return place
    return len(columns)


def legend(columns: Sequence[Column]) -> list[str]:
    """What the columns mean, one line each; columns with the same meaning share a line."""
    found: dict[str, list[str]] = {}
    for column in columns:
        if column.help:
            found.setdefault(column.help, []).append(column.heading)
    return [f"  {', '.join(headings)}: {said}" for said, headings in found.items()]


def as_text(table: RichTable) -> list[str]:
    """The lines of a table, without colours and without spaces at their ends."""
    from rich.console import Console

    console = Console(width=WIDE, color_system=None, force_jupyter=False)
    with console.capture() as held:
        console.print(table)
    return [line.rstrip() for line in held.get().rstrip().split("\n")]


def _stacked(column: Column) -> str:
    wide = max((len(text) for text in column.texts), default=0) < len(column.heading)
    return column.heading.replace(" ", "\n") if wide and column.heading != "95 % CI" else column.heading


def _width(column: Column) -> int:
    return max(len(printable(text)) for text in [*_stacked(column).split("\n"), *column.texts])
