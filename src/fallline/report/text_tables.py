"""The report's tables as texts, for Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from fallline.report import formatting
from fallline.report.claims import columns as claim_columns
from fallline.report.claims import introduction
from fallline.report.comparison import pair_columns
from fallline.report.headline import Opening
from fallline.report.results import TableColumn, columns
from fallline.report.rounding import interval
from fallline.report.tables import told
from fallline.stats import label
from fallline.stats.claims import Verdict

MOST_ROWS = 40
"""The most rows of a table in Markdown and LaTeX, about a page; the CSV has all."""

LEFT_OUT = ("p permutation", "p Wilcoxon", "p McNemar")
"""Columns of the pairs that only the page and the CSV have: paper is narrower."""


@dataclass(frozen=True)
class TextTable:
    """A table as texts: its file name, a heading, a self-contained caption, columns, and the number of all rows."""

    name: str
    heading: str
    caption: str
    columns: list[TableColumn]
    of: int

    @property
    def rows(self) -> list[list[str]]:
        """The first rows, one text per column."""
        texts = [column.texts[:MOST_ROWS] for column in self.columns]
        return [list(row) for row in zip(*texts, strict=True)]

    @property
    def note(self) -> str:
        """The number of rows, where not all are shown."""
        return f"The first {MOST_ROWS} of {formatting.count(self.of)} rows." if self.of > MOST_ROWS else ""


def written(opening: Opening, verdicts: Sequence[Verdict], beside: pl.DataFrame) -> list[TextTable]:
    """Every table for a paper, that of the answer first; tables without rows are left out."""
    results, comparison, source = opening.results, opening.comparison, opening.results.run.study.source
    answers = " ".join([*opening.answers, *opening.reserves, *opening.beside, opening.caption])
    found = [_written("answer", "Answer", answers, opening.columns)]
    if verdicts:
        found.append(_written("claims", "Claims", introduction(results.run, verdicts), claim_columns(verdicts)))
    if comparison is not None:
        told_of = f"First minus second by {label(comparison.compared.metric)}, paired over seeds."
        pairs = [column for column in pair_columns(comparison) if column.heading not in LEFT_OUT]
        found.append(_written("pairs", "All pairs", told_of, pairs))
    if not beside.is_empty():
        whence = f" Source: {source}." if source else ""
        found.append(
            _written(
                "reported",
                "Published and reproduced",
                f"Published figures beside the reproduced ones.{whence}",
                _beside(opening, beside),
            )
        )
    if comparison is not None or results.by_optimizer:
        head = columns(results, results.ranked.head(MOST_ROWS))
        caption = f"Ranked by {results.metric.label}. {opening.otherwise}".rstrip()
        found.append(_written("ranked", "All configurations", caption, head, results.ranked.height))
    return [table for table in found if table.rows]


def _written(name: str, heading: str, caption: str, found: list[TableColumn], of: int | None = None) -> TextTable:
    return TextTable(name, heading, caption, found, len(found[0].texts) if of is None else of)


def _beside(opening: Opening, beside: pl.DataFrame) -> list[TableColumn]:
    """Published figures, reproduced ones, the confidence interval and the difference."""
    rows = beside.to_dicts()
    texts = {
        "trials": [formatting.where(row["where"], row["at"]) for row in rows],
        "metric": [label(row["metric"]) for row in rows],
        "reported": [told(row["metric"], row["reported"], opening.results) for row in rows],
        "ours": [told(row["metric"], row["ours"], opening.results) for row in rows],
        "95 % CI": [interval(row["low"], row["high"]) for row in rows],
        "difference": [formatting.signed(row["difference"]) for row in rows],
    }
    return [TableColumn(name, said, said, numeric=name not in ("trials", "metric")) for name, said in texts.items()]
