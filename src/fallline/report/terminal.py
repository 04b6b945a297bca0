"""A run in a terminal: the answer in two lines, its table and what to type next, or everything.

Words, rows and numbers are those of the page.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fallline.report.document import Column, Table
from fallline.report.headline import Opening
from fallline.report.render.terminal import as_text, fitting, legend, rich_table
from fallline.report.results import Results, columns
from fallline.report.sections.claims import lines
from fallline.report.sections.search import search_lines
from fallline.report.sentences.interim_analyses import looks_in_words
from fallline.store import Run

if TYPE_CHECKING:
    from rich.table import Table as RichTable


BRIEF_LEAVES_OUT = ("sd", "n", "test loss")
"""Columns that only the page and the whole output have."""


@dataclass(frozen=True, eq=False)
class TerminalView:
    """Lines, tables with the lines below each, lines. ``str`` joins all."""

    before: list[str]
    tables: list[tuple[RichTable, list[str]]]
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


def _explained(found: list[Column], caption: str, top: int, width: int | None) -> tuple[RichTable, list[str]]:
    """A table, and below it what was left out and what its columns mean."""
    count = fitting(found, width)
    under = [caption, *_first_rows(found, top)]
    if count < len(found):
        under.append(f"On the page also: {', '.join(column.heading for column in found[count:])}.")
    return _fitted(found, top, width), [*under, *legend(found[:count])]


def _fitted(found: list[Column], top: int, width: int | None) -> RichTable:
    return rich_table(Table(found[: fitting(found, width)]), rows=top, stacked=True)


def _first_rows(found: list[Column], top: int) -> list[str]:
    height = len(found[0].texts)
    return [f"The first {top} of {height:,} rows."] if height > top else []
