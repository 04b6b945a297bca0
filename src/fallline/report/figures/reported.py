"""Ours against the reported figures: two dots and the way between them."""

from __future__ import annotations

from typing import Any

import polars as pl

from fallline.report import formatting
from fallline.report import vega as alt
from fallline.report.figures import draw as common
from fallline.report.figures.kind import FigureKind
from fallline.report.style import INK, PALETTE, WIDTH, Theme
from fallline.stats import comparable, label
from fallline.stats.analysis import Analysis
from fallline.stats.columns import number_columns
from fallline.study import Figure

MOST_ROWS = 40


def settle(analysis: Analysis, spec: Figure) -> Figure:
    metrics = _metrics(analysis)
    metric = spec.metric or (max(metrics, key=metrics.count) if metrics else "reported")
    return spec.model_copy(update={"metric": metric, "title": spec.title or f"{label(metric)}: reported and ours"})


def data(analysis: Analysis, spec: Figure) -> pl.DataFrame:
    """A row a reported figure of that metric that we have a value for: text, reported, ours, low, high, difference."""
    table = analysis.published
    said = [formatting.where(row["where"], row["at"]) for row in table.iter_rows(named=True)]
    table = table.drop("where", "at").with_columns(pl.Series("what", said, pl.String))
    return table.filter(pl.col("metric") == spec.metric).drop_nulls(["reported", "ours"]).head(MOST_ROWS)


def draw(frame: pl.DataFrame, spec: Figure, theme: Theme) -> Any:
    if frame.is_empty():
        return common.empty("No reported figure has a value of ours beside it.")
    order = frame["what"].to_list()
    said = label(spec.metric)
    log = common.is_log(
        frame.select(value=pl.concat_list("reported", "ours").list.min()),
        "scale" in spec.model_fields_set,
        spec.scale,
        spec.metric,
    )
    scale = common.y_scale(None, log, nice=True, padding=10)
    y = alt.Y("what:N", sort=order, title=None, axis=alt.Axis(labelLimit=330, domain=False, ticks=False, grid=True))
    key = alt.Scale(domain=["reported", "ours"], range=[INK["muted"][0], PALETTE[1].light])
    tips = [alt.Tooltip("what:N", title="trials")] + [common.tip(name) for name in ("reported", "ours", "low", "high")]
    base = common.spoken(alt.Chart(), ["reported", "ours", "low", "high"])
    layers = [
        base.mark_rule(strokeWidth=1.2).encode(
            x=alt.X("reported:Q", title=said, scale=scale, axis=common.value_axis(7)), x2="ours:Q", y=y
        )
    ]
    if frame["low"].null_count() < frame.height:
        layers.append(
            base.mark_rule(strokeWidth=3, opacity=0.45, color=PALETTE[1].light).encode(
                x=alt.X("low:Q", scale=scale), x2="high:Q", y=y
            )
        )
    layers += [
        base.transform_calculate(who=f"'{who}'")
        .mark_point(filled=who == "ours", size=70, opacity=1)
        .encode(
            x=alt.X(f"{who}:Q", scale=scale),
            y=y,
            tooltip=tips,
            color=alt.Color("who:N", scale=key, title=None, legend=alt.Legend(orient="top")),
        )
        for who in ("reported", "ours")
    ]
    shown = common.held(frame.select("what", "reported", "ours", "low", "high"))
    return alt.layer(*layers, data=shown).properties(width=WIDTH - 360, height=22 * frame.height)


def caption(analysis: Analysis, frame: pl.DataFrame, spec: Figure) -> str:
    if frame.is_empty():
        return ""
    seeds = int(frame["n"].max())
    spread = (
        "one seed" if seeds == 1 else f"means over {formatting.plural(seeds, 'seed')}, thick lines are 95 % intervals"
    )
    said = f"Ours: {spread}. The reported figures are single runs of others, given without spread."
    if not comparable(analysis.trials, spec.metric):
        said += " Losses of different kinds cannot be compared: hold no row against another."
    return said


def _metrics(analysis: Analysis) -> list[str]:
    """The metrics with a reported value; the optimum of a number is no metric."""
    hyperparameters = number_columns(analysis.trials)
    return [
        one.metric for one in analysis.study.reported if one.value is not None and one.metric not in hyperparameters
    ]


def _fits(analysis: Analysis) -> bool:
    return len(_metrics(analysis)) > 1


REPORTED = FigureKind("reported", "Ours against the reported", settle, data, draw, caption, _fits)
