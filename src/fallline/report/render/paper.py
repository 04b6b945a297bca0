"""What a table has on paper, in Markdown and LaTeX: about a page of rows; the CSV has all."""

from __future__ import annotations

from fallline.report import formatting
from fallline.report.document import Table

MOST_ROWS = 40
"""The most rows of a table."""


def paper_rows(table: Table) -> list[list[str]]:
    """The first rows, one text per column of ``table.on_paper``."""
    texts = [column.texts[:MOST_ROWS] for column in table.on_paper]
    return [list(row) for row in zip(*texts, strict=True)]


def note(table: Table) -> str:
    """The number of rows, where not all are shown."""
    return f"The first {MOST_ROWS} of {formatting.count(table.in_all)} rows." if table.in_all > MOST_ROWS else ""
