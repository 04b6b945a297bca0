"""Published figures beside the reproduced ones: two dots per figure, joined by a line."""

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
from fallline.stats.columns import hyperparameter_columns
from fallline.study import Figure

MOST_ROWS = 40
NAMES = {"reported": "published", "ours": "reproduced"}
"""The columns of values, in words."""


def settle(analysis: Analysis, spec: Figure) -> Figure:
    metrics = _metrics(analysis)
    metric = spec.metric or (max(metrics, key=metrics.count) if metrics else "reported")
    return spec.model_copy(
        update={"metric": metric, "title": spec.title or f"{label(metric)}: published and reproduced"}
    )


def data(analysis: Analysis, spec: Figure) -> pl.DataFrame:
    """One row per published figure of that metric with a reproduced value: text, reported (published), ours
    (reproduced), low, high, difference."""
    table = analysis.published
    trials = [formatting.where(row["where"], row["at"]) for row in table.iter_rows(named=True)]
    table = table.drop("where", "at").with_columns(pl.Series("what", trials, pl.String))
    return table.filter(pl.col("metric") == spec.metric).drop_nulls(["reported", "ours"]).head(MOST_ROWS)


def draw(frame: pl.DataFrame, spec: Figure, theme: Theme) -> Any:
    if frame.is_empty():
        return common.empty("No published figure has a reproduced value beside it.")
    order = frame["what"].to_list()
    log = common.is_log(
        frame.select(value=pl.concat_list("reported", "ours").list.min()),
        "scale" in spec.model_fields_set,
        spec.scale,
        spec.metric,
    )
    scale = common.y_scale(None, log, nice=True, padding=10)
    y = alt.Y("what:N", sort=order, title=None, axis=alt.Axis(labelLimit=330, domain=False, ticks=False, grid=True))
    key = alt.Scale(domain=list(NAMES.values()), range=[INK["muted"][0], PALETTE[1].light])
    tips = [alt.Tooltip("what:N", title="trials")] + [
        common.tip(name, NAMES.get(name)) for name in ("reported", "ours", "low", "high")
    ]
    base = common.spoken(alt.Chart(), ["reported", "ours", "low", "high"])
    layers = [
        base.mark_rule(strokeWidth=1.2).encode(
            x=alt.X("reported:Q", title=label(spec.metric), scale=scale, axis=common.value_axis(7)), x2="ours:Q", y=y
        )
    ]
    if frame["low"].null_count() < frame.height:
        layers.append(
            base.mark_rule(strokeWidth=3, opacity=0.45, color=PALETTE[1].light).encode(
                x=alt.X("low:Q", scale=scale), x2="high:Q", y=y
            )
        )
    layers += [
        base.transform_calculate(who=f"'{NAMES[who]}'")
        .mark_point(filled=who == "ours", size=70, opacity=1)
        .encode(
            x=alt.X(f"{who}:Q", scale=scale),
            y=y,
            tooltip=tips,
            color=alt.Color("who:N", scale=key, title=None, legend=alt.Legend(orient="top")),
        )
        for who in NAMES
    ]
    shown = common.held(frame.select("what", "reported", "ours", "low", "high"))
    return alt.layer(*layers, data=shown).properties(width=WIDTH - 360, height=22 * frame.height)


def caption(analysis: Analysis, frame: pl.DataFrame, spec: Figure) -> str:
    if frame.is_empty():
        return ""
    seeds = int(frame["n"].max())
    spread = (
        "one seed" if seeds == 1 else f"mean over {formatting.plural(seeds, 'seed')}, thick lines: 95 % CI of the mean"
    )
    text = f"Reproduced: {spread}. Published figures are single runs of others, without a spread."
    if not comparable(analysis.trials, spec.metric):
        text += f" {common.not_comparable('rows')}"
    return text


def _metrics(analysis: Analysis) -> list[str]:
    """The metrics with a published value, without those that are optima of hyperparameters."""
    hyperparameters = hyperparameter_columns(analysis.trials)
    return [
        figure.metric
        for figure in analysis.study.reported
        if figure.value is not None and figure.metric not in hyperparameters
    ]


def _fits(analysis: Analysis) -> bool:
    return len(_metrics(analysis)) > 1


PUBLISHED = FigureKind("reported", "Published and reproduced", settle, data, draw, caption, _fits)
