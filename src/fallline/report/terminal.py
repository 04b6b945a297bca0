"""The ranked table for a terminal: the same rows and numbers as on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fallline.report.results import Results, answer, columns
from fallline.store import Run

if TYPE_CHECKING:
    from rich.table import Table


def table(run: Run, top: int = 20, all_configurations: bool = False) -> Table:
    """The best ``top`` rows: each optimizer at its best, or with ``all_configurations`` every configuration.

    The caption is the answer. Raises StoreError where no trial is finished.
    """
    from rich.markup import escape
    from rich.table import Table

    results = Results.of(run)
    frame = results.ranked if all_configurations or not results.by_optimizer else results.best
    shown = columns(results, frame.head(top))
    name, value, sure = answer(results)
    caption = f"{name}: {value}. {sure}" if value else f"{name}: {sure}"
    if frame.height > top:
        caption += f"\nThe first {top} of {frame.height:,} rows."
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
        heading = escape(column.heading.replace(" ", "\n") if column.heading != "95 % interval" else column.heading)
        width = max(len(text) for text in [*heading.split("\n"), *column.texts])
        found.add_column(heading, justify="right" if column.numeric else "left", no_wrap=True, min_width=width)
    for place in range(min(top, frame.height)):
        found.add_row(*(escape(column.texts[place]) for column in shown))
    return found
