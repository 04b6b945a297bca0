"""Published figures beside the reproduced ones."""

from __future__ import annotations

from typing import Any

import polars as pl

from fallline.report import formatting
from fallline.report.document import Block, Column, Paragraph, Table
from fallline.report.results import Results
from fallline.report.rounding import interval
from fallline.report.tables import SHOWN
from fallline.stats import label
from fallline.stats.columns import hyperparameter_columns


def published_blocks(results: Results, beside: pl.DataFrame) -> list[Block]:
    if beside.is_empty():
        return []
    source = results.run.study.source
    lead = [Paragraph(f"Source: {source}", "lead")] if source else []
    return [*lead, published_table(results, beside), Paragraph(far_off(results, beside), "note")]


def published_table(results: Results, frame: pl.DataFrame) -> Table:
    """Published figures beside the reproduced ones, and where the best reproduced one was."""
    rows = frame.to_dicts()
    ours = {row["configuration"]: row for row in results.ranked.iter_rows(named=True)}
    settings = hyperparameter_columns(results.run.trials)

    def figures(heading: str, key: str) -> Column:
        return Column(heading, [told(row["metric"], row[key], results) for row in rows], frame[key].to_list())

    words = Column.of_texts("text", [row["text"] or "" for row in rows], screen_only=True)
    source = results.run.study.source
    return Table(
        [
            Column.of_texts(
                "trials", [formatting.where(row["where"], row["at"]) for row in rows], below=words, width="wrap"
            ),
            Column.of_texts(
                "metric", [f"{'best ' * (row['metric'] in settings)}{label(row['metric'])}" for row in rows]
            ),
            figures("reported", "reported"),
            figures("ours", "ours"),
            Column("95 % CI", [interval(row["low"], row["high"]) for row in rows], frame["low"].to_list(), soft=True),
            Column("difference", [formatting.signed(row["difference"]) for row in rows], frame["difference"].to_list()),
            Column.of_texts(
                "best reproduced",
                [_best_reproduced(results, row, ours.get(row["best_configuration"])) for row in rows],
                soft=True,
                width="wrap",
                screen_only=True,
            ),
        ],
        SHOWN,
        "reported",
        f"Published figures beside the reproduced ones.{f' Source: {source}.' if source else ''}",
    )


def _best_reproduced(results: Results, row: dict[str, Any], best: dict[str, Any] | None) -> str:
    """The best reproduced figure, and the settings where it is."""
    if best is None:
        return formatting.MISSING
    where = recipe_text(results, best, row["where"])
    return formatting.number(row["best"]) + (f": {where}" if where else "")


def recipe_text(results: Results, row: dict[str, Any], known: dict[str, Any]) -> str:
    """The configuration in words, without the settings in ``known``."""
    return formatting.recipe(row, [name for name in results.varying if name not in known], results.digits)


def told(metric: str, value: float | None, results: Results) -> str:
    """A metric as a result, a hyperparameter as a setting."""
    if metric in hyperparameter_columns(results.run.trials):
        return formatting.value_of(metric, value, results.digits)
    return formatting.number(value)


def far_off(results: Results, frame: pl.DataFrame, limit: float = 0.02) -> str:
    """A sentence on the figures that differ by more than ``limit`` from the published ones."""
    far = frame.filter(pl.col("difference").abs() > limit)
    unmatched = frame.filter(pl.col("ours").is_null()).height
    said = []
    if far.height:
        cases = [_case(results, row) for row in far.iter_rows(named=True)]
        said.append(f"Differences above {limit}: {formatting.listed(cases, 6)}.")
    elif frame["difference"].drop_nulls().len():
        said.append(f"All are within {limit} of the published value.")
    if unmatched:
        said.append(f"Published, but without a value in this run: {formatting.count(unmatched)}.")
    return " ".join(said)


def _case(results: Results, row: dict[str, Any]) -> str:
    theirs, ours = (told(row["metric"], row[key], results) for key in ("reported", "ours"))
    return (
        f"{formatting.where(row['where'], row['at'])}, {label(row['metric'])} ({theirs} published, {ours} reproduced)"
    )
