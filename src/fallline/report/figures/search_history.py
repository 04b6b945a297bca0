"""What a search found while it went: every setting against the trial-steps spent, and the best so far."""

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
from fallline.stats import label
from fallline.stats.analysis import Analysis
from fallline.study import Figure


def data(analysis: Analysis, spec: Figure) -> pl.DataFrame:
    """The rows of ``of_searches.tried`` with ``best``: of the optimizer the best value at the last rung so far."""
    frame = of_searches.tried(analysis)
    if frame["value"].is_null().all():
        return frame
    up = analysis.metric.up
    best = pl.when("last").then(pl.col("value"))
    best = best.cum_max() if up else best.cum_min()
    return frame.with_columns(best.forward_fill().over("optimizer").alias("best"))


def draw(frame: pl.DataFrame, spec: Figure, theme: Theme) -> Any:
    """Points, larger at later rungs, and a step line per optimizer."""
    if frame["value"].is_null().all():
        return common.empty("No setting finished with a value to show.")
    shown, limits, log = of_searches.seen(frame, spec.metric)
    shown = shown.with_columns(pl.col("best").clip(*limits))
    heading = label(spec.metric) + ", log scale" * log
    x = alt.X(
        "spent:Q",
        title="trial-steps of the search",
        axis=alt.Axis(format=formatting.COUNT_FORMAT, tickCount=6),
        scale=alt.Scale(nice=False),
    )
    scale = common.y_scale(limits, log)
    color = of_searches.colors(shown, theme)
    pick = alt.selection_point(name="pick", fields=["color"], bind="legend")
    tips = [
        alt.Tooltip("color:N", title="optimizer"),
        alt.Tooltip("bracket:Q", title="bracket"),
        alt.Tooltip("rung:Q", title="rung"),
        alt.Tooltip("steps:Q", title="steps", format=formatting.COUNT_FORMAT),
        common.tip("value"),
    ]
    points = (
        common.spoken(alt.Chart(), ["value"])
        .mark_point(filled=True)
        .encode(
            x=x,
            y=alt.Y("shown:Q", title=heading, scale=scale, axis=common.value_axis(6, log)),
            size=alt.Size("rung:O", title="rung", legend=alt.Legend(orient="right"), scale=alt.Scale(range=[14, 90])),
            opacity=alt.condition(pick, alt.value(0.45), alt.value(0.05)),
            tooltip=tips,
            **color,
        )
        .add_params(pick)
    )
    line = (
        alt.Chart()
        .mark_line(interpolate="step-after", strokeWidth=2)
        .encode(
            x=x,
            y=alt.Y("best:Q", title=heading, scale=scale),
            opacity=alt.condition(pick, alt.value(1), alt.value(0.08)),
            **color,
        )
    )
    columns = ["color", "spent", "bracket", "rung", "steps", "value", "shown", "best"]
    return alt.layer(points, line, data=common.held(shown.select(columns))).properties(width=WIDTH - 220, height=320)


def caption(analysis: Analysis, frame: pl.DataFrame, spec: Figure) -> str:
    if frame["value"].is_null().all():
        return ""
    lost = frame["value"].null_count()
    said = (
        "A point is a setting at a rung, larger at later ones; lines: the best so far at the last rung, on the seeds "
        "that chose it. Settings far worse than most lie at the edge."
    )
    return said + (f" {formatting.count(lost)} diverged and are not shown." if lost else "")


SEARCH_HISTORY = FigureKind(
    "search_history",
    "What the search found",
    partial(of_searches.settle, "What the search found"),
    data,
    draw,
    caption,
    fits=of_searches.has,
)
