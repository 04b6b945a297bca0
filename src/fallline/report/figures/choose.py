"""Which trials a figure shows, which columns set its colours and panels, and their labels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import polars as pl

from fallline.errors import UnknownName
from fallline.report import formatting
from fallline.report.naming import digits_of
from fallline.stats import comparable, select_trials
from fallline.stats.analysis import Analysis
from fallline.stats.columns import OFF, loss_hyperparameters
from fallline.stats.metric import kind_column
from fallline.study import Figure
from fallline.study.column_words import NULL_WORDS

_NULLS = tuple(NULL_WORDS)
"""Columns in which a null is a setting (off, all examples)."""


def chosen(analysis: Analysis, spec: Figure) -> pl.DataFrame:
    """The trials ``spec.where`` keeps, with their configuration."""
    return select_trials(analysis.configurations, spec.where)


def color_and_panel(analysis: Analysis, spec: Figure) -> dict[str, str | None]:
    """The columns of colour and panels: as the study sets them, else what varies among the trials shown.

    Where the optimizer and one hyperparameter vary, each optimizer gets a panel and the hyperparameter the colours.
    Losses of different kinds never share a panel, unless the study says so.
    """
    trials = chosen(analysis, spec)
    if spec.panel is None and spec.metric and not comparable(trials, spec.metric):
        spec = spec.model_copy(update={"panel": kind_column(trials)})
    for name in (spec.color, spec.panel):
        if name is not None and name not in trials.columns:
            raise UnknownName("recipe column", name, trials.columns, f"figure {spec.title or spec.kind}")
    used = {spec.color, spec.panel} | (
        {"loss", *loss_hyperparameters(trials)} if spec.panel == kind_column(trials) else set()
    )
    varied = [name for name in analysis.varying if trials[name].n_unique() > 1 and name not in used]
    if spec.color is not None:
        return {"color": spec.color, "panel": spec.panel}
    # a hyperparameter that only some of these optimizers have cannot colour all of them
    others = [name for name in varied if name != "optimizer" and (not trials[name].is_null().any() or name in _NULLS)]
    if spec.panel is None and "optimizer" in varied and others:
        return {"color": others[0], "panel": "optimizer"}
    if "optimizer" in varied:
        return {"color": "optimizer", "panel": spec.panel}
    return {"color": (others or varied or [None])[0], "panel": spec.panel}


def labelled(analysis: Analysis, trials: pl.DataFrame, spec: Figure) -> pl.DataFrame:
    """One row per configuration: the labels ``color``, ``panel`` and ``trial``, and the positions of colour and panel
    in the legend."""
    rows = trials.unique("configuration", keep="first", maintain_order=True)
    columns, digits = analysis.varying, digits_of(analysis.run)
    colors, panels = places(analysis, rows, spec.color), places(analysis, rows, spec.panel)
    labels = [
        {
            "configuration": row["configuration"],
            "trial": formatting.recipe(row, columns, digits) or "all trials",
            **_text("color", spec.color, row, colors, partial(formatting.value_of, digits=digits)),
            **_text("panel", spec.panel, row, panels, partial(heading, digits=digits)),
        }
        for row in rows.iter_rows(named=True)
    ]
    return pl.DataFrame(
        labels,
        schema={
            "configuration": pl.UInt32,
            "trial": pl.String,
            "color": pl.String,
            "color_place": pl.Int64,
            "panel": pl.String,
            "panel_place": pl.Int64,
        },
    )


def _text(role: str, column: str | None, row: dict, order: dict, say: Any) -> dict[str, Any]:
    if column is None:
        return {role: "", f"{role}_place": 0}
    return {role: say(column, row[column]), f"{role}_place": order[row[column]]}


def places(analysis: Analysis, rows: pl.DataFrame, column: str | None) -> dict[Any, int]:
    """The position of each value in a legend: optimizers in the order of the run, all else from small to large."""
    if column is None:
        return {}
    values: Sequence[Any] = rows[column].unique().to_list()
    order = analysis.trials["optimizer"].unique(maintain_order=True).to_list() if column == "optimizer" else []
    values = sorted(values, key=order.index if order else lambda value: _size(column, value))
    return {value: place for place, value in enumerate(values)}


def heading(panel: str, value: Any, digits: formatting.Digits = formatting.USUAL) -> str:
    """The heading of a panel: a word by itself, a number with the name of its column."""
    text = formatting.value_of(panel, value, digits)
    return text if panel in formatting.ALONE else f"{formatting.name(panel)} {text}"


def _size(column: str, value: Any) -> tuple[int, float, str]:
    """Sort key from small to large: off, numbers (also as text), words, all."""
    if value is None:
        return (0 if column in OFF else 3, 0.0, "")
    try:
        return (1, float(value), "")
    except ValueError:
        return (2, 0.0, str(value))
