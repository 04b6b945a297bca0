"""What a terminal shows of a run: the answer in plain words, the table it rests on, the answer with its figures.

The words, rows and numbers are those of the page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fallline.errors import printable
from fallline.report.as_text import as_text, cell
from fallline.report.opening import Opening
from fallline.report.results import Column, Results, columns, legend
from fallline.store import Run

if TYPE_CHECKING:
    from rich.table import Table


GAP = 2
"""Characters between two columns."""


@dataclass(frozen=True, eq=False)
class Shown:
    """What a terminal shows: lines, a table, what stands ``under`` it, lines. As text it is all of it."""

    before: list[str]
    table: Table
    under: list[str]
    after: list[str]

    def __str__(self) -> str:
        return "\n".join([*self.before, "", *as_text(self.table), *self.below])

    @property
    def below(self) -> list[str]:
        """All that follows the table."""
        return [*self.under, "", *self.after] if self.after else self.under


def shown(run: Run, top: int = 20, every: bool = False, width: int | None = None) -> Shown:
    """The opening of the run's page, and the best ``top`` rows of its table, or with ``every`` of all configurations.

    Columns that do not fit into ``width`` characters are left to the page, the last first. Raises StoreError where no
    trial is finished.
    """
    opening = Opening.of(Results.of(run))
    found = columns(opening.results, opening.results.ranked) if every else opening.columns
    caption = f"Every configuration by {opening.results.metric.label}. {opening.otherwise}" if every else (
        opening.caption)
    lead, figures = (opening.plain, [*opening.answers, *opening.beside]) if opening.plain else (
        [*opening.answers, *opening.beside], [])
    held, height = found[:_fitting(found, width)], len(found[0].texts)
    under = [caption.rstrip()]
    if height > top:
        under.append(f"The first {top} of {height:,} rows.")
    if len(held) < len(found):
        under.append(f"On the page also: {', '.join(column.heading for column in found[len(held):])}.")
    return Shown([run.study.title or run.study.name, "", *lead, *opening.sure], _table(held, min(top, height)),
                 [*under, *legend(held)], figures)


def _table(columns: list[Column], count: int) -> Table:
    """The first rows."""
    from rich.table import Table

    found = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        found.add_column(cell(_heading(column)), justify="right" if column.numeric else "left", no_wrap=True,
                         min_width=_width(column))
    for place in range(count):
        found.add_row(*(cell(column.texts[place]) for column in columns))
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
    """In lines of a word each, where it is wider than what stands under it."""
    wide = max((len(text) for text in column.texts), default=0) < len(column.heading)
    return column.heading.replace(" ", "\n") if wide and column.heading != "95 % interval" else column.heading


def _width(column: Column) -> int:
    return max(len(printable(text)) for text in [*_heading(column).split("\n"), *column.texts])
