"""A run in a terminal: the answer in two lines, its table and what to type next, or everything.

Words, rows and numbers are those of the page.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fallline.errors import printable
from fallline.report.as_text import as_text, cell
from fallline.report.claims import lines
from fallline.report.headline import Opening
from fallline.report.interim_analyses import looks_in_words
from fallline.report.results import Results, TableColumn, columns, legend
from fallline.report.search import search_lines
from fallline.store import Run

if TYPE_CHECKING:
    from rich.table import Table


GAP = 2
"""Characters between two columns."""


BRIEF_LEAVES_OUT = ("sd", "n", "test loss")
"""Columns that only the page and the whole output have."""


@dataclass(frozen=True, eq=False)
class TerminalView:
    """Lines, tables with the lines below each, lines. ``str`` joins all."""

    before: list[str]
    tables: list[tuple[Table, list[str]]]
    after: list[str]

    def __str__(self) -> str:
        tables = [line for table, under in self.tables for line in ("", *as_text(table), *under)]
        return "\n".join([*self.before, *tables, *[""] * bool(self.after), *self.after])


def shown(run: Run, top: int = 20, every: bool = False, width: int | None = None) -> TerminalView:
    """The answer in two lines, the best ``top`` rows of its table, and what to type next; with ``every`` everything
    at the top of the page, the table of all configurations, and the claims.

    Columns that do not fit into ``width`` characters are left out, the last first. Raises StoreError where no
    trial is finished.
    """
    opening = Opening.of(Results.of(run))
    return _whole(opening, top, width) if every else _brief(opening, top, width)


def _brief(opening: Opening, top: int, width: int | None) -> TerminalView:
    found = [column for column in opening.columns if column.heading not in BRIEF_LEAVES_OUT]
    table = _fitted(found, top, width)
    after = [f"Next: {opening.next_step}"] if opening.next_step else []
    after.append(f"Everything: fallline show {shlex.quote(str(opening.results.run.folder))} --all")
    under = [opening.caption, *_first_rows(found, top)]
    under += [text for text in opening.warnings if text != opening.next_step]
    under += search_lines(opening.results.run)
    return TerminalView([_title(opening), "", *opening.lead], [(table, under)], after)


def _whole(opening: Opening, top: int, width: int | None) -> TerminalView:
    run, tables = opening.results.run, []
    if opening.comparison is not None:
        tables.append(_explained(opening.columns, opening.caption, top, width))
    every = f"All configurations by {opening.results.metric.label}. {opening.otherwise}".rstrip()
    tables.append(_explained(columns(opening.results, opening.results.ranked), every, top, width))
    after = [*opening.figures, *filter(None, [*lines(run), looks_in_words(run)])]
    return TerminalView([_title(opening), "", *opening.lead, *opening.sure], tables, after)


def _title(opening: Opening) -> str:
    return opening.results.run.study.title or opening.results.run.study.name


def _explained(found: list[TableColumn], caption: str, top: int, width: int | None) -> tuple[Table, list[str]]:
    """A table, and below it what was left out and what its columns mean."""
    count = _fitting(found, width)
    under = [caption, *_first_rows(found, top)]
    if count < len(found):
        under.append(f"On the page also: {', '.join(column.heading for column in found[count:])}.")
    return _fitted(found, top, width), [*under, *legend(found[:count])]


def _fitted(found: list[TableColumn], top: int, width: int | None) -> Table:
    return _table(found[: _fitting(found, width)], min(top, len(found[0].texts)))


def _first_rows(found: list[TableColumn], top: int) -> list[str]:
    height = len(found[0].texts)
    return [f"The first {top} of {height:,} rows."] if height > top else []


def _table(columns: list[TableColumn], count: int) -> Table:
    """The first rows."""
    from rich.table import Table

    found = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        found.add_column(
            cell(_heading(column)),
            justify="right" if column.numeric else "left",
            no_wrap=True,
            min_width=_width(column),
        )
    for place in range(count):
        found.add_row(*(cell(column.texts[place]) for column in columns))
    return found


def _fitting(every: list[TableColumn], width: int | None) -> int:
    """How many columns fit, from the left; at least three."""
    used, count = -GAP, 0
    for column in every:
        used += GAP + _width(column)
        if width is not None and used > width and count >= 3:
            break
        count += 1
    return count


def _heading(column: TableColumn) -> str:
    """One word per line, where the heading is wider than the values."""
    wide = max((len(text) for text in column.texts), default=0) < len(column.heading)
    return column.heading.replace(" ", "\n") if wide and column.heading != "95 % CI" else column.heading


def _width(column: TableColumn) -> int:
    return max(len(printable(text)) for text in [*_heading(column).split("\n"), *column.texts])
