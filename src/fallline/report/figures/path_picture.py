"""Drawing paths over contours: lines in grey, paths in colour, and a slider that moves the paths' ends."""

from __future__ import annotations

from typing import Any

import polars as pl

from fallline.report import formatting
from fallline.report import vega as alt
from fallline.report.figures import draw as common
from fallline.report.style import INK, WIDTH, Theme
from fallline.study import Figure

PLACES = 200
"""Places of the slider. Each is about as many times as far as the one before it: most happens in the first steps."""

TAKEN = {
    "what",
    "panel",
    "panel_place",
    "color",
    "color_place",
    "trial",
    "configuration",
    "line",
    "ring",
    "step",
    "value",
    "level",
    "note",
    "rank",
    "diverged",
    "place",
    "of",
    "end",
    "inside",
    "out",
}
"""Columns of the frame that mean something else."""


def column(name: str) -> str:
    """The frame's column of a scalar: its name, unless that is taken."""
    return f"{name}_" if name in TAKEN else name


def draw(frame: pl.DataFrame, spec: Figure, theme: Theme) -> Any:
    """Contours in grey, paths in colour, the start as a ring, the ends as dots, the lowest point as a cross."""
    paths = frame.filter(pl.col("what") == "path")
    if paths.is_empty():
        return common.empty("No two scalars were watched, so there is no path to show.")
    names = spec.of  # type: ignore[attr-defined]
    frame = frame.rename({column(name): axis for axis, name in zip("xy", names, strict=True)})
    panels = paths.unique("panel_place").sort("panel_place")["panel"].to_list()
    many = len(panels) > 1
    legend = alt.Legend(orient="top" if many else "right", columns=9 if many else 1)
    base = alt.layer(*_layers(frame, names, common.colors(paths, spec.color, theme, legend)))
    if many:
        base = base.properties(width=(WIDTH - 60 - 72) // 3, height=230)
        chart = base.facet(alt.Facet("panel:N", sort=panels, title=None), columns=3, data=common.ROWS)
        chart = chart.properties(spacing={"row": 44, "column": 36})
        chart = chart.resolve_axis(x="independent") if len(panels) % 3 else chart
    else:
        chart = base.properties(width=620, height=460, data=common.ROWS)
    return common.with_rows(_sliding(chart, paths), _shown(frame, panels))


def last_step(paths: pl.DataFrame) -> int:
    """The last step that any path shows."""
    return int(paths["step"].max())


def _layers(frame: pl.DataFrame, names: list[str], color: dict[str, Any]) -> list[Any]:
    """What lies over what, each from its rows."""
    corners = frame.filter(pl.col("what") == "corner")
    x, y = (
        encoding(
            f"{axis}:Q",
            title=name,
            scale=alt.Scale(domain=corners[axis].to_list(), nice=False, zero=False),
            axis=_axis(),
        )
        for axis, name, encoding in zip("xy", names, (alt.X, alt.Y), strict=True)
    )
    pick = alt.selection_point(name="pick", fields=["color"], bind="legend")
    hover = alt.selection_point(name="hover", on="pointermove", nearest=True, clear="pointerout", empty=False)
    faded = alt.condition(pick, alt.value(1), alt.value(0.07))
    text, depths = INK["text"][0], alt.Scale(domain=[0, 1], range=[0.25, 0.7])
    rings = alt.Chart().transform_filter("datum.what == 'contour'")
    path = alt.Chart().transform_filter("datum.what == 'path' && datum.step <= reached")
    ends = path.transform_joinaggregate(last="max(step)", groupby=["line"]).transform_filter("datum.step == datum.last")
    tips = [
        alt.Tooltip("trial:N"),
        alt.Tooltip("step:Q", format=formatting.COUNT_FORMAT),
        common.tip("x", names[0]),
        common.tip("y", names[1]),
        common.tip("value", "loss"),
    ]
    return [
        rings.mark_line(strokeWidth=0.8, color=INK["muted"][0]).encode(
            x=x, y=y, detail="line:N", order="step:Q", opacity=alt.Opacity("depth:Q", legend=None, scale=depths)
        ),
        path.mark_line(clip=True, strokeWidth=1.5)
        .encode(x=x, y=y, detail="line:N", order="step:Q", opacity=faded, **color)
        .add_params(pick),
        path.transform_filter("datum.step == 0")
        .mark_point(size=60, color=text, strokeWidth=1.4, filled=False)
        .encode(x=x, y=y),
        alt.Chart()
        .transform_filter("datum.what == 'lowest'")
        .mark_point(shape="cross", size=55, filled=True, opacity=1, color=text)
        .encode(x=x, y=y),
        ends.mark_circle(clip=True, size=42).encode(x=x, y=y, opacity=faded, **common.filled(color["color"])),
        common.spoken(path, ["x", "y", "value"])
        .mark_circle(clip=True, size=60)
        .encode(
            x=x,
            y=y,
            tooltip=tips,
            opacity=alt.condition(hover, alt.value(1), alt.value(0)),
            **common.filled(color["color"]),
        )
        .add_params(hover)
        .properties(name="hover_dots"),
    ]


def _axis() -> alt.Axis:
    """An axis without lines across, which would look like contours."""
    axis = common.value_axis()
    for key, value in (("grid", False), ("domain", True), ("ticks", True)):
        axis[key] = value
    return axis


def _sliding(chart: Any, paths: pl.DataFrame) -> Any:
    """The chart with its slider; at its right end, where it begins, all is shown."""
    last = last_step(paths)
    first = int(paths.filter(pl.col("step") > 0)["step"].min() or 1)
    reached = f"moment >= {PLACES} ? {last} : {first} * (pow({last / first + 1:.6g}, moment / {PLACES}) - 1)"
    bind = alt.binding_range(min=0, max=PLACES, step=1, name="Paths up to step ")
    return chart.add_params(
        alt.param(name="moment", value=PLACES, bind=bind), alt.param(name="reached", expr=f"round({reached})")
    )


def _shown(frame: pl.DataFrame, panels: list[str]) -> pl.DataFrame:
    """The rows that are drawn. A path ends where its loss first runs off; what all panels share stands in each."""
    paths = frame.filter(pl.col("what") == "path")
    start = paths.filter(pl.col("step") == 0)["value"].max() or 0.0
    paths = paths.filter(pl.col("out") <= 1, pl.col("value") <= 1e4 * max(abs(start), 1e-3))
    line = pl.col("configuration").alias("line")
    paths = paths.select("what", "panel", "color", "trial", line, "step", "x", "y", "value")
    corners = frame.filter(pl.col("what") == "corner")
    still = pl.concat(
        [_inside(frame.filter(pl.col("what") == "contour"), corners), frame.filter(pl.col("what") == "lowest")],
        how="diagonal_relaxed",
    )
    if still.height:
        place = pl.col("level").rank("dense", descending=True) - 1
        still = still.with_columns(depth=(place / pl.max_horizontal(place.max(), 1)).cast(pl.Float64))
    names = ["what", "level", "depth", "line", "panel", "x", "y", "step"]
    still = still.select(name for name in names if name in still.columns)
    if still.height and ("panel" not in still.columns or still["panel"].null_count() == still.height):
        still = still.drop("panel", strict=False).join(pl.DataFrame({"panel": panels}), how="cross")
    return pl.concat([still, paths], how="diagonal_relaxed")


def _inside(rings: pl.DataFrame, corners: pl.DataFrame) -> pl.DataFrame:
    """The pieces of the contours inside the picture; clipping them instead takes a picture half a minute."""
    if rings.is_empty():
        return rings
    seen = pl.all_horizontal(pl.col(axis).is_between(*corners[axis].to_list()) for axis in "xy")
    panel = [pl.col("panel")] if "panel" in rings.columns else []
    pieces = rings.sort(*panel, "ring", "step").with_columns(seen=seen)
    pieces = pieces.with_columns(line=pl.struct(*panel, "ring", "seen").rle_id() + 1_000_000)
    return pieces.filter("seen")
