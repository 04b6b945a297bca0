"""The value of every setting of a search against each hyperparameter that was searched."""

from __future__ import annotations

from functools import partial
from typing import Any

import polars as pl

from fallline.report import formatting
from fallline.report import vega as alt
from fallline.report.figures import draw as common
from fallline.report.figures import of_searches
from fallline.report.figures.kind import FigureKind
from fallline.report.style import WIDTH, Theme
from fallline.search.records import NOT_SEARCHED
from fallline.stats import label
from fallline.stats.analysis import Analysis
from fallline.stats.searched import CLOSE_TO_1, is_wide, scale_of
from fallline.study import Figure

COLUMNS = 3
"""Panels in a row."""


def data(analysis: Analysis, spec: Figure) -> pl.DataFrame:
    """One row per (bracket, rung, setting, hyperparameter): the rows of ``of_searches.tried`` with ``panel``, the
    hyperparameter, and ``at``, its value; 1 − value for those that lie close to 1, such as momentum and beta2."""
    frame = of_searches.tried(analysis)
    if frame["value"].is_null().all():
        return frame
    names = [name for name in frame.columns if name not in (*NOT_SEARCHED, *ADDED) and frame[name].dtype.is_numeric()]
    parts = []
    for name in names:
        own = frame.drop_nulls(name).with_columns(pl.col(name).cast(pl.Float64).alias("at"))
        panel = formatting.name(name)
        if scale_of(own["at"]) == CLOSE_TO_1:
            own, panel = own.with_columns(1 - pl.col("at")), f"1 − {panel}"
        parts.append(own.with_columns(panel=pl.lit(panel)).select(*KEPT, "panel", "at"))
    return pl.concat(parts) if parts else frame.select(*KEPT).head(0)


ADDED = ("color", "color_place", "spent", "last", "setting", "far")
KEPT = ("optimizer", "color", "color_place", "setting", "bracket", "rung", "steps", "last", "far", "value")


def draw(frame: pl.DataFrame, spec: Figure, theme: Theme) -> Any:
    """A panel per hyperparameter; an axis is logarithmic where its values span more than a factor of 20."""
    if frame["value"].is_null().all():
        return common.empty("No setting finished with a value to show.")
    shown, limits, log = of_searches.seen(frame, spec.metric)
    color = of_searches.colors(shown, theme)
    names = shown["panel"].unique(maintain_order=True).to_list()
    columns = min(COLUMNS, len(names))
    width = (WIDTH - 200) // columns - 60
    pick = alt.selection_point(name="pick", fields=["color"], bind="legend")
    panels = []
    for place, name in enumerate(names):
        own = shown.filter(panel=name)
        wide = is_wide(own["at"])
        tips = [
            alt.Tooltip("color:N", title="optimizer"),
            common.tip("at", name),
            alt.Tooltip("rung:Q", title="rung"),
            common.tip("value"),
        ]
        x = alt.X(
            "at:Q",
            title=name + ", log scale" * wide,
            scale=alt.Scale(**({"type": "log"} if wide else {"zero": False}), nice=False, padding=8),
            axis=common.value_axis(4, wide),
        )
        heading = label(spec.metric) + ", log scale" * log if place % columns == 0 else ""
        y = alt.Y("shown:Q", title=heading, scale=common.y_scale(limits, log), axis=common.value_axis(5, log))
        size = alt.Size("rung:O", title="rung", legend=alt.Legend(orient="right"), scale=alt.Scale(range=[14, 90]))
        points = common.spoken(alt.Chart(common.held(own.drop("panel", "color_place", "last", "far"))), ["value", "at"])
        points = points.mark_point(filled=True).encode(
            x=x, y=y, size=size, opacity=alt.condition(pick, alt.value(0.5), alt.value(0.04)), tooltip=tips, **color
        )
        panels.append(points.add_params(pick).properties(width=width, height=200))
    return alt.concat(*panels, columns=columns)


def caption(analysis: Analysis, frame: pl.DataFrame, spec: Figure) -> str:
    if frame["value"].is_null().all():
        return ""
    return (
        "A point is a setting at a rung, larger at later ones, which train for more steps. A best value at the edge of "
        "a panel asks for a wider range; a flat panel for none at all. Settings far worse than most lie at the edge."
    )


SEARCH_SLICES = FigureKind(
    "search_slices",
    "Value against each hyperparameter",
    partial(of_searches.settle, "Value against each hyperparameter"),
    data,
    draw,
    caption,
    fits=of_searches.has,
)
