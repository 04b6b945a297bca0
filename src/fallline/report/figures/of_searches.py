"""What the figures of a search share: the settings that it tried, one row per bracket, rung and setting."""

from __future__ import annotations

from typing import Any

import polars as pl

from fallline.report import formatting
from fallline.report import vega as alt
from fallline.report.figures import draw as common
from fallline.report.style import Theme
from fallline.search.records import NOT_SEARCHED, settings_of
from fallline.stats.analysis import Analysis
from fallline.stats.searched import is_wide
from fallline.study import Figure

FAR = 0.1
"""The share of the settings whose values may lie at the edge of a figure."""


def has(analysis: Analysis) -> bool:
    """Whether the run is the end of a search in which some setting has a value."""
    rows = _rows(analysis)
    return rows is not None and rows["value"].drop_nulls().len() > 0


def settle(title: str, analysis: Analysis, spec: Figure) -> Figure:
    return spec.model_copy(
        update={"metric": analysis.metric.column, "color": "optimizer", "title": spec.title or title}
    )


def tried(analysis: Analysis) -> pl.DataFrame:
    """One row per (bracket, rung, setting) in the order of training: what ``settings_of`` has, the labels color and
    color_place of the optimizer, ``spent`` (trial-steps of the search up to here), ``last`` (whether this is the last
    rung), ``setting`` (its number, the same at every rung), ``far`` (whether it is among the worst tenth)."""
    rows = _rows(analysis)
    if rows is None:
        return pl.DataFrame(schema={"value": pl.Float64})
    searched = [name for name in rows.columns if name not in NOT_SEARCHED]
    names = sorted(rows["optimizer"].unique())
    keys = ["bracket", "optimizer", *searched]
    numbers = rows.select(keys).unique(maintain_order=True).with_row_index("setting")
    return rows.join(numbers, on=keys, how="left", nulls_equal=True, maintain_order="left").with_columns(
        color=pl.col("optimizer").replace_strict({name: formatting.name(name) for name in names}),
        color_place=pl.col("optimizer").replace_strict({name: place for place, name in enumerate(names)}),
        spent=pl.col("trial_steps").cum_sum(),
        last=pl.col("rung") == pl.col("rung").max(),
        far=pl.col("value").rank("ordinal", descending=analysis.metric.up) > (1 - FAR) * pl.col("value").count(),
    )


def _rows(analysis: Analysis) -> pl.DataFrame | None:
    return None if analysis.study.search is None else settings_of(analysis.run.folder)


def seen(frame: pl.DataFrame, metric: str) -> tuple[pl.DataFrame, tuple[float, float], bool]:
    """The rows that are drawn, the limits of their axis and whether it is logarithmic.

    Values far worse than most are at the limit, so that they do not press the others together.
    """
    known = frame.drop_nulls("value")
    most = known.filter(~pl.col("far") | pl.col("last"))["value"]
    log = "loss" in metric and is_wide(most)
    limits = common.around(most.min(), most.max(), log)
    return known.with_columns(pl.col("value").clip(*limits).alias("shown")), limits, log


def colors(frame: pl.DataFrame, theme: Theme) -> dict[str, Any]:
    """The colours of the optimizers; their points have no dash."""
    return {"color": common.colors(frame, "optimizer", theme, alt.Legend(orient="right"))["color"]}
