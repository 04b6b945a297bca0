"""The figures of the measurement: speed-up, time of a step, seconds per epoch, and predictions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import polars as pl

from fallline.report import formatting
from fallline.report import vega as alt
from fallline.report.figures import RenderedFigure
from fallline.report.figures import draw as common
from fallline.report.scaling.tables import AXES, said_count
from fallline.report.style import INK, PALETTE, WIDTH, Theme, theme

if TYPE_CHECKING:
    from fallline.report.scaling.result import Scaled

LOOK = Theme({})
PARTS = {"compute": PALETTE[1], "sharing": PALETTE[2], "communication": PALETTE[5], "idle and overhead": PALETTE[0]}
MOST_PANELS = 4


def pictures(scaled: Scaled) -> list[RenderedFigure]:
    """All figures that have data."""
    makers = (_speed_up, _where, _epochs, _law)
    found = [drawn for make in makers if (drawn := make(scaled)) is not None]
    return [replace(drawn, chart=drawn.chart.properties(config=theme())) for drawn in found]


def _speed_up(scaled: Scaled) -> RenderedFigure | None:
    """Speed-up against devices: one panel per axis, one line per batch, the ideal dashed."""
    rows = scaled.axes
    if rows.is_empty():
        return None
    many = rows["hosts"].n_unique() > 1
    sizes = sorted(rows["batch"].unique())
    frame = rows.select(
        pl.struct("axis", "scaling")
        .map_elements(lambda row: AXES[row["axis"], row["scaling"]], return_dtype=pl.String)
        .alias("panel"),
        pl.col("batch").map_elements(formatting.count, return_dtype=pl.String).alias("color"),
        pl.col("batch")
        .replace_strict({size: place for place, size in enumerate(sizes)}, return_dtype=pl.Int64)
        .alias("color_place"),
        "hosts",
        "devices",
        "speed_up",
        low="speed_up_low",
        high="speed_up_high",
    )
    once = (
        frame.unique(["panel", "color", "color_place"])
        .with_columns(
            hosts=pl.lit(1, pl.Int64),
            devices=pl.lit(1, pl.Int64),
            speed_up=pl.lit(1.0),
            low=pl.lit(1.0),
            high=pl.lit(1.0),
        )
        .select(frame.columns)
    )
    frame = pl.concat([once, frame]).with_columns(
        hosts_said=pl.when(pl.col("hosts") > 1).then(pl.format("{} hosts", "hosts")).otherwise(pl.lit("1 host"))
    )
    frame = frame.sort("panel", "color_place", "hosts", "devices")
    panels = [name for name in AXES.values() if name in set(frame["panel"])]
    most = max(rows["devices"])
    color = common.colors(frame, "batch_size", LOOK, alt.Legend(orient="top", columns=9))
    shown = frame.select("panel", "color", "hosts_said", "devices", "speed_up", "low", "high")
    counts = sorted(frame["devices"].unique())
    x = alt.X(
        "devices:Q",
        title="devices",
        scale=alt.Scale(type="log", base=2, domain=[1, most], nice=False),
        axis=alt.Axis(values=counts, format="d", labelExpr="datum.value"),
    )
    top = max(float(most), frame["high"].max())
    y = alt.Y(
        "speed_up:Q",
        title="speed-up over one device",
        scale=alt.Scale(domain=[0, top * 1.03], nice=False),
        axis=alt.Axis(tickCount=5),
    )
    base = common.spoken(alt.Chart(), ["speed_up", "low", "high"])
    tips = [
        alt.Tooltip("panel:N", title="devices do"),
        alt.Tooltip("color:N", title="batch"),
        alt.Tooltip("hosts_said:N", title="hosts"),
        alt.Tooltip("devices:Q"),
        common.tip("speed_up", "speed-up"),
        common.tip("low", "least"),
        common.tip("high", "most"),
    ]
    shape = (
        {
            "shape": alt.Shape(
                "hosts_said:N",
                title="hosts",
                legend=alt.Legend(orient="top"),
                scale=alt.Scale(range=["circle", "diamond", "triangle-up"]),
            )
        }
        if many
        else {}
    )
    ideal = (
        alt.Chart()
        .mark_line(strokeDash=[4, 4], strokeWidth=1.2, color=INK["muted"][0])
        .encode(x=x, y=alt.Y("devices:Q", scale=y["scale"], title=y["title"]))
    )
    layers = alt.layer(
        base.mark_line(strokeWidth=1.8).encode(x=x, y=y, detail=["color:N", "hosts_said:N"], **color),
        ideal,
        base.mark_rule(strokeWidth=3, opacity=0.35).encode(
            x=x, y=alt.Y("low:Q", scale=y["scale"], title=y["title"]), y2="high:Q", **color
        ),
        base.mark_point(filled=True, size=60, opacity=1).encode(x=x, y=y, tooltip=tips, **color, **shape),
    )
    width = (WIDTH - 60 - 36 * (len(panels) - 1)) // max(len(panels), 2)
    chart = layers.properties(width=width, height=240).facet(
        alt.Facet("panel:N", sort=panels, title=None), columns=len(panels), data=common.ROWS
    )
    chart = common.with_rows(chart.properties(spacing={"row": 44, "column": 36}), shown)
    said = (
        "One batch split over the devices (strong scaling), one batch on each (weak scaling: the work of all "
        "relative to one in the same time), one trial on each. Dashed: linear speed-up. Thick lines: range over "
        f"repeats ({_repeats(scaled)})."
    )
    if scaled.judged.shared:
        said += " These devices share the cores of one CPU, so linear speed-up is impossible."
    return RenderedFigure("speed-up", "Speed-up against devices", said, frame, chart, None)


def _where(scaled: Scaled) -> RenderedFigure | None:
    """One bar per split batch: the parts of a step's time."""
    parts = scaled.parts
    if parts.is_empty():
        return None
    strong = parts.filter(pl.col("batch").is_in(list(scaled.measured.sizes)))
    parts = strong if strong.height else parts
    order = [pl.format("{} over {}", pl.col("batch"), pl.col("count").map_elements(said_count, return_dtype=pl.String))]
    frame = parts.sort("batch", "hosts", "devices").select(
        *(key.alias("bar") for key in order), "seconds", "compute", "sharing", "communication", rest="rest"
    )
    long = frame.rename({"rest": "idle and overhead"}).unpivot(
        index=["bar", "seconds"], on=list(PARTS), variable_name="part", value_name="value"
    )
    long = long.with_columns(
        ms=1e3 * pl.col("value"),
        drawn=1e3 * pl.col("value").clip(0.0),
        place=pl.col("part").replace_strict({name: place for place, name in enumerate(PARTS)}, return_dtype=pl.Int64),
        total=1e3 * pl.col("seconds"),
    )
    color = alt.Color(
        "part:N",
        title=None,
        sort=list(PARTS),
        legend=alt.Legend(orient="top"),
        scale=alt.Scale(domain=list(PARTS), range=[mark.light for mark in PARTS.values()]),
    )
    y = alt.Y(
        "bar:N", sort=frame["bar"].to_list(), title=None, axis=alt.Axis(domain=False, ticks=False, labelLimit=220)
    )
    base = common.spoken(alt.Chart(), ["ms", "total"])
    bars = base.mark_bar(height=14).encode(
        x=alt.X("drawn:Q", title="milliseconds per step", stack="zero", axis=alt.Axis(tickCount=7, grid=True)),
        y=y,
        color=color,
        order=alt.Order("place:Q"),
        tooltip=[
            alt.Tooltip("bar:N", title="batch"),
            alt.Tooltip("part:N"),
            common.tip("ms", "ms"),
            common.tip("total", "the step, ms"),
        ],
    )
    ticks = base.mark_tick(thickness=2, height=20, color=INK["text"][0]).encode(x=alt.X("total:Q"), y=y)
    shown = long.select("bar", "part", "ms", "drawn", "place", "total")
    chart = alt.layer(bars, ticks, data=common.held(shown)).properties(width=WIDTH - 190, height=26 * frame.height)
    said = (
        "Compute: the same program on one device with the batch of each. Sharing: the slowdown when all devices "
        "compute at the same time without communication; zero for separate devices. "
        f"Communication: the all-reduce of the {formatting.size(scaled.measured.bytes)} of the weights alone, "
        f"on these devices. Idle and overhead: the rest of the measured step (dark mark). Where the bar passes the "
        "mark, communication or sharing hides behind compute, and what is left is below 0 in the table."
    )
    return RenderedFigure("where-a-step-goes", "Time of a step", said, long, chart, None)


def _epochs(scaled: Scaled) -> RenderedFigure | None:
    """Seconds of each epoch of batches that change, one line per number of devices."""
    changing = [pace.batch for pace in scaled.paces if len(pace.epochs) > 1][:MOST_PANELS]
    if not changing:
        return None
    rows = scaled.epochs.filter(pl.col("batch").is_in(changing), scaling="strong")
    counts = scaled.measured.counts
    frame = rows.select(
        panel=pl.format("batch {}", "batch"),
        color=pl.col("count").map_elements(said_count, return_dtype=pl.String),
        color_place=pl.col("count").replace_strict(
            {name: place for place, name in enumerate(counts)}, return_dtype=pl.Int64
        ),
        epoch="epoch",
        batch_size="batch_size",
        seconds="seconds",
        difference="difference",
    )
    frame = frame.sort("panel", "color_place", "epoch")
    color = common.colors(frame, "devices", LOOK, alt.Legend(orient="top", columns=9))
    x = alt.X(
        "epoch:Q",
        title="epoch",
        axis=alt.Axis(format="d", tickCount=5, tickMinStep=1),
        scale=alt.Scale(nice=False, padding=8),
    )
    y = alt.Y("seconds:Q", title="seconds per epoch", scale=alt.Scale(zero=True), axis=common.value_axis())
    base = common.spoken(alt.Chart(), ["seconds", "difference"])
    tips = [
        alt.Tooltip("color:N", title="devices"),
        alt.Tooltip("epoch:Q"),
        alt.Tooltip("batch_size:Q"),
        common.tip("seconds", "seconds"),
        common.tip("difference", "less one device, s"),
    ]
    layers = alt.layer(
        base.mark_line(strokeWidth=1.8).encode(x=x, y=y, **color),
        base.mark_point(filled=True, size=40, opacity=1).encode(x=x, y=y, tooltip=tips, **color),
    )
    columns = min(len(changing), 3)
    width = (WIDTH - 60 - 36 * (columns - 1)) // max(columns, 2)
    chart = layers.properties(width=width, height=220).facet(
        alt.Facet("panel:N", sort=[f"batch {name}" for name in changing], title=None), columns=columns, data=common.ROWS
    )
    shown = frame.select("panel", "color", "epoch", "batch_size", "seconds", "difference")
    chart = common.with_rows(chart.properties(spacing={"row": 44, "column": 36}).resolve_scale(y="independent"), shown)
    said = (
        "Steps of the epoch times the seconds of a step of its batch, split over the devices; between the batch "
        f"sizes measured ({formatting.listed([formatting.count(size) for size in scaled.measured.sizes])}, and "
        f"each device's "
        "share of them) linearly interpolated. Each panel has its own scale."
    )
    return RenderedFigure("seconds-an-epoch", "Seconds per epoch as the batch grows", said, frame, chart, None)


def _law(scaled: Scaled) -> RenderedFigure | None:
    """Predicted speed-up of a split batch and of one batch each, up to 512 devices."""
    judged = scaled.judged
    rows = judged.forecast.filter(axis="data")
    if rows.is_empty():
        return None
    sizes = sorted(rows["batch"].unique())
    panels = {"strong": "one batch, split", "weak": "one batch each"}
    place = {size: at for at, size in enumerate(sizes)}
    frame = rows.select(
        panel=pl.col("scaling").replace_strict(panels),
        devices="devices",
        speed_up="speed_up",
        seconds="seconds",
        batch="batch",
    )
    once = pl.DataFrame(
        [
            {"panel": name, "devices": 1, "speed_up": 1.0, "seconds": judged.points.law.step(1, size), "batch": size}
            for name in panels.values()
            for size in sizes
        ]
    )
    frame = (
        pl.concat([once, frame], how="diagonal_relaxed")
        .with_columns(
            color=pl.col("batch").map_elements(formatting.count, return_dtype=pl.String),
            color_place=pl.col("batch").replace_strict(place, return_dtype=pl.Int64),
        )
        .sort("panel", "batch", "devices")
    )
    color = common.colors(frame, "batch_size", LOOK, alt.Legend(orient="top", columns=9))
    most = int(frame["devices"].max())
    x = alt.X(
        "devices:Q",
        title="devices, log scale",
        axis=alt.Axis(values=[1, 2, 4, 8, 64, 512], format="d"),
        scale=alt.Scale(type="log", base=2, domain=[1, most], nice=False),
    )
    least = min(1.0, frame["speed_up"].min())
    y = alt.Y(
        "speed_up:Q",
        title="speed-up over one device, log scale",
        axis=common.value_axis(),
        scale=alt.Scale(type="log", domain=[least / 1.2, most], nice=False),
    )
    base = common.spoken(alt.Chart(), ["speed_up"])
    ideal = (
        alt.Chart()
        .mark_line(strokeDash=[4, 4], strokeWidth=1.2, color=INK["muted"][0])
        .encode(x=x, y=alt.Y("devices:Q", scale=y["scale"], title=y["title"]))
    )
    tips = [
        alt.Tooltip("panel:N", title="devices do"),
        alt.Tooltip("color:N", title="batch"),
        alt.Tooltip("devices:Q"),
        common.tip("speed_up", "speed-up"),
    ]
    layers = alt.layer(
        base.mark_line(strokeWidth=1.8).encode(x=x, y=y, **color),
        ideal,
        base.mark_point(filled=True, size=40, opacity=1).encode(x=x, y=y, tooltip=tips, **color),
    )
    chart = layers.properties(width=(WIDTH - 96) // 2, height=260).facet(
        alt.Facet("panel:N", sort=list(panels.values()), title=None), columns=2, data=common.ROWS
    )
    shown = frame.select("panel", "color", "devices", "speed_up")
    chart = common.with_rows(chart.properties(spacing={"row": 44, "column": 36}), shown)
    said = (
        "Prediction for separate devices by the fitted model, extrapolated far beyond the measurement. A split "
        "ends where a device would have less than one example. Dashed: linear speed-up, as for parallel trials."
    )
    return RenderedFigure("by-the-law", "Predicted speed-up on many devices", said, frame, chart, None)


def _repeats(scaled: Scaled) -> Any:
    return formatting.count(scaled.measured.medians["repeats"].max())
