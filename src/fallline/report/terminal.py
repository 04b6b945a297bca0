"""The ranked table for a terminal: the same rows and numbers as on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fallline.report.answer import answer
from fallline.report.results import Column, Results, columns
from fallline.store import Run

if TYPE_CHECKING:
    from rich.table import Table


GAP = 2
"""Characters between two columns."""


def table(run: Run, top: int = 20, all_configurations: bool = False, width: int | None = None) -> Table:
    """The best ``top`` rows: each optimizer at its best, or with ``all_configurations`` every configuration.

    The caption is the answer. Columns that do not fit into ``width`` characters are left to the page, the last first.
    Raises StoreError where no trial is finished.
    """
    from rich.markup import escape
    from rich.table import Table

    results = Results.of(run)
    frame = results.ranked if all_configurations or not results.by_optimizer else results.best
    every = columns(results, frame.head(top))
    shown = every[:_fitting(every, width)]
    name, value, sure = answer(results)
    caption = f"{name}: {value}. {sure}" if value else f"{name}. {sure}"
    if frame.height > top:
        caption += f"\nThe first {top} of {frame.height:,} rows."
    if len(shown) < len(every):
        caption += f"\nOn the page also: {', '.join(column.heading for column in every[len(shown):])}."
    found = Table(
        title=escape(run.study.title or run.study.name),
        caption=escape(caption),
        title_justify="left",
        caption_justify="left",
        box=None,
        pad_edge=False,
        header_style="bold",
    )
    for column in shown:
        found.add_column(escape(_heading(column)), justify="right" if column.numeric else "left", no_wrap=True,
                         min_width=_width(column))
    for place in range(min(top, frame.height)):
        found.add_row(*(escape(column.texts[place]) for column in shown))
    return found


def _fitting(every: list[Column], width: int | None) -> int:
    """How many columns from the left fit; three at least: without them a row says nothing."""
    used, count = -GAP, 0
    for column in every:
        used += GAP + _width(column)
        if width is not None and used > width and count >= 3:
            break
        count += 1
    return count


def _heading(column: Column) -> str:
    return column.heading if column.heading == "95 % interval" else column.heading.replace(" ", "\n")


def _width(column: Column) -> int:
    return max(len(text) for text in [*_heading(column).split("\n"), *column.texts])
