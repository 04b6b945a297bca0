"""What the kinds of figures share when they draw: colours, scales, rows, legends."""

from __future__ import annotations

from typing import Any

import polars as pl

from fallline.report import formatting
from fallline.report import vega as alt
from fallline.report.style import Theme

CROSS = "M-0.7,-0.7L0.7,0.7M-0.7,0.7L0.7,-0.7"


def colors(frame: pl.DataFrame, column: str | None, theme: Theme, legend: alt.Legend | None) -> dict[str, Any]:
    """The encodings of the frame's column ``color``: colour, and dash where the names need it."""
    if column is None:
        return {"color": alt.value(theme.marks("", [""])[0].light)}
    names = frame.unique("color_place").sort("color_place")["color"].to_list()
    marks = theme.marks(column, names)
    shared = {"title": formatting.name(column), "legend": legend, "sort": None}
    found: dict[str, Any] = {
        "color": alt.Color("color:N", **shared, scale=alt.Scale(domain=names, range=[mark.light for mark in marks]))
    }
    if len({mark.dash for mark in marks}) > 1:
        found["strokeDash"] = alt.StrokeDash(
            "color:N", **shared, scale=alt.Scale(domain=names, range=[list(mark.dash) for mark in marks])
        )
    return found


def spoken(chart: alt.Chart, names: list[str]) -> alt.Chart:
    """The chart with these fields also in words (``NAME_said``), for tooltips that write as the tables do."""
    return chart.transform_calculate(**{f"{name}_said": formatting.number_expression(name) for name in names})


def tip(name: str, title: str | None = None) -> alt.Tooltip:
    """A tooltip's line for a field that is ``spoken``."""
    return alt.Tooltip(f"{name}_said:N", title=title or name)


def filled(color: Any) -> dict[str, Any]:
    """The same colours as a fill, for a layer without a legend.

    Its scale knows one name more, the empty one: Vega-Lite merges the legends of scales over equal domains, and
    with this one's absence the lines would lose theirs.
    """
    if not isinstance(color, alt.Color):
        return {"fill": color}
    scale = color["scale"]
    wider = alt.Scale(domain=[*scale["domain"], ""], range=[*scale["range"], scale["range"][0]])
    return {"fill": alt.Fill("color:N", scale=wider, legend=None)}


def rows(frame: pl.DataFrame, digits: int = 5) -> list[dict[str, Any]]:
    """The rows as the chart holds them: floats to so many significant digits, nothing infinite, no empty columns."""
    floats = [name for name, kind in frame.schema.items() if kind.is_float()]
    clean = frame.with_columns(
        pl.when(pl.col(name).is_finite()).then(pl.col(name).round_sig_figs(digits)).alias(name) for name in floats
    )
    return clean.select(name for name in clean.columns if clean[name].null_count() < clean.height).to_dicts()


def held(frame: pl.DataFrame) -> alt.Data:
    """Few rows, held where they are drawn."""
    return alt.Data(values=rows(frame))


ROWS = alt.NamedData("rows")


def with_rows(chart: Any, frame: pl.DataFrame) -> Any:
    """A chart drawn from ``ROWS``, with those rows: many, so they stand once, apart from the drawing."""
    return chart.properties(datasets={"rows": rows(frame)})


def domain(frame: pl.DataFrame, log: bool) -> tuple[float, float] | None:
    """The values to show: all but what runs off; None where there is nothing.

    ``frame`` has ``value``, ``step`` and ``diverged``. What runs off leaves the picture at its border.
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
    """Logarithmic where the study says so; where it says nothing, for a loss that spans more than a factor of 50."""
    if chosen:
        return scale == "log"
    values = frame["value"].drop_nulls()
    values = values.filter(values.is_finite() & (values > 0))
    return "loss" in metric and not values.is_empty() and values.max() / values.min() > 50


def y_scale(limits: tuple[float, float] | None, log: bool, **more: Any) -> alt.Scale:
    """A linear scale that need not reach 0, or a logarithmic one; exactly over the limits where there are any."""
    kind: dict[str, Any] = {"type": "log"} if log else {"type": "linear", "zero": False}
    return alt.Scale(**{**kind, "nice": False, **({"domain": list(limits)} if limits else {}), **more})


def value_axis(count: int = 5, log: bool = False) -> alt.Axis:
    """Ticks written as ``words.setting`` writes; on a log scale far from 1 as powers."""
    low, high = (1e-2, 1e4) if log else (1e-4, 1e6)
    said = (
        f"datum.value != 0 && (abs(datum.value) < {low} || abs(datum.value) >= {high}) ? "
        f"format(datum.value, '~e') : format(datum.value, '{formatting.SETTING_FORMAT}')"
    )
    return alt.Axis(labelExpr=said, tickCount=count)


def step_axis(count: int) -> alt.Axis:
    return alt.Axis(format=formatting.COUNT_FORMAT, tickCount=count)


def inside(limits: tuple[float, float] | None, log: bool) -> tuple[float, float] | None:
    """A little inside the limits: where a mark on the border is drawn whole."""
    if limits is None:
        return None
    low, high = limits
    if log:
        inset = (high / low) ** 0.03
        return low * inset, high / inset
    inset = 0.03 * (high - low)
    return low + inset, high - inset


def around(low: float, high: float, log: bool) -> tuple[float, float]:
    """Limits a little outside those of what is shown."""
    if log:
        margin = max((high / low) ** 0.08, 1.05)
        return low / margin, high * margin
    margin = 0.1 * (high - low) or 0.05 * abs(high) or 1.0
    return low - margin, high + margin


def runs_off(frame: pl.DataFrame, limits: tuple[float, float] | None) -> bool:
    """Whether any value, or end of an interval around one, lies outside the limits."""
    seen = pl.concat([frame[name] for name in ("value", "low", "high")]).drop_nulls()
    return limits is not None and not seen.is_between(*limits).all()


def near(value: pl.Expr, limits: tuple[float, float] | None, log: bool) -> pl.Expr:
    """The value, no further outside the limits than twenty times their span: pixels have limits too."""
    if limits is None or log:
        return value
    span = limits[1] - limits[0]
    return value.clip(limits[0] - 20 * span, limits[1] + 20 * span)


def empty(text: str) -> alt.Chart:
    """A sentence in place of a picture that has nothing to show."""
    return (
        alt.Chart(alt.Data(values=[{"text": text}]))
        .mark_text(align="left", fontSize=13)
        .encode(text="text:N", x=alt.value(0), y=alt.value(12))
        .properties(width=600, height=24)
    )
