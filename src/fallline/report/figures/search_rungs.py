"""How the settings of a search fared from rung to rung: does an early rung predict the next one?"""

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
    """The rows of ``of_searches.tried`` with ``at``, the rung in words."""
    frame = of_searches.tried(analysis)
    if frame["value"].is_null().all():
        return frame
    rungs = {
        row["rung"]: f"{formatting.plural(row['steps'], 'step')}, {formatting.plural(row['seeds'], 'seed')}"
        for row in frame.unique("rung").sort("rung").iter_rows(named=True)
    }
    return frame.with_columns(at=pl.col("rung").replace_strict(rungs))


def draw(frame: pl.DataFrame, spec: Figure, theme: Theme) -> Any:
    """One line per setting that advanced, a point for each that did not."""
    if frame["value"].is_null().all():
        return common.empty("No setting finished with a value to show.")
    shown, limits, log = of_searches.seen(frame, spec.metric)
    names = shown.unique("rung").sort("rung")["at"].to_list()
    color = of_searches.colors(shown, theme)
    pick = alt.selection_point(name="pick", fields=["color"], bind="legend")
    x = alt.X("at:N", title="rung", scale=alt.Scale(domain=names), axis=alt.Axis(labelAngle=0))
    heading = label(spec.metric) + ", log scale" * log
    y = alt.Y("shown:Q", title=heading, scale=common.y_scale(limits, log), axis=common.value_axis(6, log))
    lines = (
        alt.Chart()
        .mark_line(strokeWidth=1)
        .encode(x=x, y=y, detail="setting:N", opacity=alt.condition(pick, alt.value(0.45), alt.value(0.03)), **color)
        .add_params(pick)
    )
    tips = [
        alt.Tooltip("color:N", title="optimizer"),
        alt.Tooltip("at:N", title="rung"),
        alt.Tooltip("bracket:Q", title="bracket"),
        common.tip("value"),
    ]
    points = (
        common.spoken(alt.Chart(), ["value"])
        .mark_point(filled=True, size=18)
        .encode(x=x, y=y, tooltip=tips, opacity=alt.condition(pick, alt.value(0.5), alt.value(0.03)), **color)
    )
    held = common.held(shown.select("color", "setting", "at", "bracket", "value", "shown"))
    return alt.layer(lines, points, data=held).properties(width=min(WIDTH - 220, 220 * len(names)), height=300)


def caption(analysis: Analysis, frame: pl.DataFrame, spec: Figure) -> str:
    if frame["value"].is_null().all():
        return ""
    return (
        "A line is a setting that advanced. Lines that cross say that a short rung ranks settings differently from a "
        "long one: keep more of them, or train the first rung for longer. Settings far worse than most lie at the edge."
    )


def fits(analysis: Analysis) -> bool:
    return of_searches.has(analysis) and of_searches.tried(analysis)["rung"].n_unique() > 1


SEARCH_RUNGS = FigureKind(
    "search_rungs",
    "From rung to rung",
    partial(of_searches.settle, "From rung to rung"),
    data,
    draw,
    caption,
    fits=fits,
)
