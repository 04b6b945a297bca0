"""Sentences on finished trials whose metric is not a number: how many, of which settings, and how they count."""

from __future__ import annotations

import polars as pl

from fallline.report import formatting
from fallline.report.naming import named
from fallline.stats import label
from fallline.stats.columns import configurations, varying
from fallline.stats.missing import missing, recorded
from fallline.store import Run

SHOWN = 3
"""The most configurations named."""


def missing_in_words(run: Run, *columns: str) -> str:
    """One sentence per result column of ``columns`` that is not a number in some finished trial; empty where none
    is.
    """
    return " ".join(filter(None, (_of(run, column) for column in dict.fromkeys(columns))))


def gone_words(run: Run, column: str) -> str:
    """Why trials have no value of ``column``: "diverged", "gave no number", or either."""
    if _gaps(run, column).is_empty():
        return "diverged"
    return "diverged or gave no number" if (run.trials["status"] == "diverged").any() else "gave no number"


def lost_words(diverged: int, lost: int) -> str:
    """Why ``lost`` trials, ``diverged`` of which diverged, have no value: "diverged", "no number", "lost"."""
    return "diverged" if lost == diverged else "lost" if diverged else "no number"


def _of(run: Run, column: str) -> str:
    found = _gaps(run, column)
    if found.is_empty():
        return ""
    of = configurations(run).filter(recorded(run, column)).height
    varies = varying(run)
    names = [named(run, row, varies) for row in found.unique("configuration", maintain_order=True).to_dicts()]
    where = f" ({formatting.listed([f'{name}' for name in names], SHOWN)})" if any(names) else ""
    worst = "it counts" if found.height == 1 else "they count"
    return (
        f"{formatting.capital(label(column))} was not a number in {formatting.count(found.height)} of "
        f"{formatting.plural(of, 'trial')}{where}: {worst} as worse than any that has one."
    )


def _gaps(run: Run, column: str) -> pl.DataFrame:
    trials = configurations(run)
    return trials.filter(missing(run, column)) if column in trials.columns else trials.clear()
