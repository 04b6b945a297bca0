"""A table for a terminal as plain lines: for print, a notebook, a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fallline.errors import printable

if TYPE_CHECKING:
    from rich.table import Table

WIDE = 1000
"""Characters: no table is cut."""


def cell(text: object) -> str:
    """A text as it may stand in a table of rich's: nothing in it is read as a style, and nothing as a control."""
    from rich.markup import escape

    return escape(printable(str(text)))


def as_text(table: Table) -> list[str]:
    """The lines of a table, without colours and without spaces at their ends."""
    from rich.console import Console

    console = Console(width=WIDE, color_system=None, force_jupyter=False)
    with console.capture() as held:
        console.print(table)
    return [line.rstrip() for line in held.get().rstrip().split("\n")]
