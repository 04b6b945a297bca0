"""What all kinds of figures share: colours, scales, rows, legends, sentences of captions."""

from __future__ import annotations

from typing import Any

import polars as pl

from fallline.report import formatting
from fallline.report import vega as alt
from fallline.report.style import Theme
from fallline.stats.summary import FEW_SEEDS

CROSS = "M-0.7,-0.7L0.7,0.7M-0.7,0.7L0.7,-0.7"


def colors(frame: pl.DataFrame, column: str | None, theme: Theme, legend: alt.Legend | None) -> dict[str, Any]:
    """The encodings of the frame's column ``color``: colour, and dash where there are more names than colours."""
    if column is None:
        return {"color": alt.value(theme.marks("", [""])[0].light)}
    names = frame.unique("color_place").sort("color_place")["color"].to_list()
    marks = theme.marks(column, names)
    shared = {"title": formatting.name(column), "legend": legend, "sort": None}
    encodings: dict[str, Any] = {
        "color": alt.Color("color:N", **shared, scale=alt.Scale(domain=names, range=[mark.light for mark in marks]))
    }
    if len({mark.dash for mark in marks}) > 1:
        encodings["strokeDash"] = alt.StrokeDash(
            "color:N", **shared, scale=alt.Scale(domain=names, range=[list(mark.dash) for mark in marks])
        )
    return encodings


def spoken(chart: alt.Chart, names: list[str]) -> alt.Chart:
    """The chart with these fields also as text (``NAME_said``), for tooltips in the number format of the tables."""
    return chart.transform_calculate(**{f"{name}_said": formatting.number_expression(name) for name in names})


def tip(name: str, title: str | None = None) -> alt.Tooltip:
    """A line of a tooltip for a field of a ``spoken`` chart."""
    return alt.Tooltip(f"{name}_said:N", title=title or name)


def filled(color: Any) -> dict[str, Any]:
    """The same colours as a fill, for a layer without a legend.

    Its scale has one more name, the empty one: Vega-Lite merges the legends of scales with equal domains, and without
    it the lines would lose their legend.
    """
    if not isinstance(color, alt.Color):
        return {"fill": color}
    scale = color["scale"]
    wider = alt.Scale(domain=[*scale["domain"], ""], range=[*scale["range"], scale["range"][0]])
    return {"fill": alt.Fill("color:N", scale=wider, legend=None)}


def rows(frame: pl.DataFrame, digits: int = 5) -> list[dict[str, Any]]:
    """The rows as the chart holds them: floats to ``digits`` significant digits, nothing infinite, no empty columns."""
    floats = [name for name, kind in frame.schema.items() if kind.is_float()]
    clean = frame.with_columns(
        pl.when(pl.col(name).is_finite()).then(pl.col(name).round_sig_figs(digits)).alias(name) for name in floats
    )
    return clean.select(name for name in clean.columns if clean[name].null_count() < clean.height).to_dicts()


def held(frame: pl.DataFrame) -> alt.Data:
    """The rows inside the chart that draws them, where they are few."""
    return alt.Data(values=rows(frame))


ROWS = alt.NamedData("rows")


def with_rows(chart: Any, frame: pl.DataFrame) -> Any:
    """A chart drawn from ``ROWS`` with these rows, which are many: they are kept once for all its layers."""
    return chart.properties(datasets={"rows": rows(frame)})


def domain(frame: pl.DataFrame, log: bool) -> tuple[float, float] | None:
    """Limits of the axis: all values but those of diverging curves, which are cut; None where there is nothing.

    ``frame`` has ``value``, ``step`` and ``diverged``.
    """
    values = frame.filter(pl.col("value").is_finite() & ((pl.col("value") > 0) if log else pl.lit(True)))
    steady = values.filter(~pl.col("diverged"))["value"]
    base = values["value"] if steady.is_empty() else steady
    if base.is_empty():
        return None
    start = values.filter(pl.col("step") == pl.col("step").min())["value"]
    low, high = min(base.quantile(0.01), start.min()), max(base.quantile(0.98), start.max())
    if log:
        return base.min() / 1.5, min(values["value"].max() * 1.5, 4 * high)
    margin = 0.04 * ((high - low) or abs(high) or 1.0)
    return (max(0.0, low - margin) if low >= 0 else low - margin), high + margin


def is_log(frame: pl.DataFrame, chosen: bool, scale: str, metric: str) -> bool:
    """Whether the scale is logarithmic: as the study sets it, else for a loss that spans more than a factor of 50."""
    if chosen:
        return scale == "log"
    values = frame["value"].drop_nulls()
    values = values.filter(values.is_finite() & (values > 0))
    return "loss" in metric and not values.is_empty() and values.max() / values.min() > 50


def y_scale(limits: tuple[float, float] | None, log: bool, **more: Any) -> alt.Scale:
    """A linear scale that need not include 0, or a logarithmic one; exactly over the limits where given."""
    kind: dict[str, Any] = {"type": "log"} if log else {"type": "linear", "zero": False}
    return alt.Scale(**{**kind, "nice": False, **({"domain": list(limits)} if limits else {}), **more})


def value_axis(count: int = 5, log: bool = False) -> alt.Axis:
    """Ticks in the format of ``formatting.setting``; on a log scale far from 1 as powers of ten."""
    low, high = (1e-2, 1e4) if log else (1e-4, 1e6)
    expression = (
        f"datum.value != 0 && (abs(datum.value) < {low} || abs(datum.value) >= {high}) ? "
        f"format(datum.value, '~e') : format(datum.value, '{formatting.SETTING_FORMAT}')"
    )
    return alt.Axis(labelExpr=expression, tickCount=count)


def step_axis(count: int) -> alt.Axis:
    """Ticks of training steps: whole numbers."""
    return alt.Axis(format=formatting.COUNT_FORMAT, tickCount=count)


def inside(limits: tuple[float, float] | None, log: bool) -> tuple[float, float] | None:
    """Limits moved inwards by 3 %, so that a mark at the edge is drawn whole."""
    if limits is None:
        return None
    low, high = limits
    if log:
        inset = (high / low) ** 0.03
        return low * inset, high / inset
    inset = 0.03 * (high - low)
    return low + inset, high - inset


def around(low: float, high: float, log: bool) -> tuple[float, float]:
    """Limits with a margin around the values from ``low`` to ``high``."""
    if log:
        margin = max((high / low) ** 0.08, 1.05)
        return low / margin, high * margin
    margin = 0.1 * (high - low) or 0.05 * abs(high) or 1.0
    return low - margin, high + margin


def runs_off(frame: pl.DataFrame, limits: tuple[float, float] | None) -> bool:
    """Whether any value, or end of an error bar, is outside the limits."""
    values = pl.concat([frame[name] for name in ("value", "low", "high")]).drop_nulls()
    return limits is not None and not values.is_between(*limits).all()


def near(value: pl.Expr, limits: tuple[float, float] | None, log: bool) -> pl.Expr:
    """The value, clipped to twenty times the span of the limits: pixel coordinates are limited."""
    if limits is None or log:
        return value
    span = limits[1] - limits[0]
    return value.clip(limits[0] - 20 * span, limits[1] + 20 * span)


def empty(text: str) -> alt.Chart:
    """A sentence in place of a picture without data."""
    return (
        alt.Chart(alt.Data(values=[{"text": text}]))
        .mark_text(align="left", fontSize=13)
        .encode(text="text:N", x=alt.value(0), y=alt.value(12))
        .properties(width=600, height=24)
    )


def spread(seeds: int) -> str:
    """What bands and error bars over so many seeds are."""
    return "95 % CI of the mean (Student's t)" if seeds >= FEW_SEEDS else "minimum to maximum over seeds"


def not_comparable(what: str) -> str:
    """The caption's warning where losses of different kinds are in one picture: ``what`` must not be compared."""
    return f"Losses of different kinds cannot be compared: do not compare {what} of different losses."


NO_ZERO_ON_LOG = "Values of exactly 0 cannot be shown on a log scale."
