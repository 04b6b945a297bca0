"""A table for a terminal as plain lines: for print, a notebook, a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

WIDE = 1000
"""Characters: no table is cut."""


def as_text(table: Table) -> list[str]:
    """The lines of a table, without colours and without spaces at their ends."""
    from rich.console import Console

    console = Console(width=WIDE, color_system=None, force_jupyter=False)
    with console.capture() as held:
        console.print(table)
    return [line.rstrip() for line in held.get().rstrip().split("\n")]
