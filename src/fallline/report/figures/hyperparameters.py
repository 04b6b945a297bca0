"""The hyperparameters of each optimizer, varied one at a time: default, best value, and how flat the optimum is."""

from __future__ import annotations

from typing import Any

import polars as pl

from fallline.contracts import MetricName
from fallline.errors import UnknownName
from fallline.optimizers import find_optimizer
from fallline.report import formatting
from fallline.report import vega as alt
from fallline.report.figures import draw as common
from fallline.report.figures.choose import chosen
from fallline.report.figures.kind import FigureKind
from fallline.report.style import INK, Theme
from fallline.stats import comparable, label
from fallline.stats.analysis import Analysis
from fallline.stats.columns import hyperparameter_columns
from fallline.stats.metric import after_training
from fallline.stats.one_at_a_time import alone, usual, varied
from fallline.study import Figure

NEAR, NEAR_ACCURACY = 0.10, 0.005
"""Near the best: within 10 % of it, or 0.005 of an accuracy."""


def settle(analysis: Analysis, spec: Figure) -> Figure:
    metric = after_training(spec.metric or analysis.metric.column)
    return spec.model_copy(
        update={
            "metric": metric,
            "title": spec.title or f"{label(metric)} against each hyperparameter, varied one at a time",
        }
    )


def data(analysis: Analysis, spec: Figure) -> pl.DataFrame:
    """One row per value tried: optimizer, hyperparameter, meaning, default, tried (the value), place (its rank by
    size), value (the metric), low, high, diverged, lost (the share of its seeds without a number; only values with the
    smallest share can be best), base (the study's own value), best, near (near the best)."""
    trials = chosen(analysis, spec)
    table = analysis.summary.filter(pl.col("configuration").is_in(trials["configuration"].unique().implode()))
    hyperparameters, found = hyperparameter_columns(trials), []
    up = analysis.higher_is_better(spec.metric)
    for optimizer in table["optimizer"].unique(maintain_order=True):
        own = table.filter(pl.col("optimizer") == optimizer)
        found += [
            _rows(own, optimizer, name, hyperparameters, spec.metric, up) for name in varied(own, hyperparameters)
        ]
    return pl.concat(found, how="diagonal_relaxed") if found else pl.DataFrame(schema={"value": pl.Float64})


def _rows(
    configurations: pl.DataFrame, optimizer: str, name: str, hyperparameters: list[str], metric: str, up: bool
) -> pl.DataFrame:
    """The configurations that differ from the base in ``name`` alone."""
    rows = alone(configurations, name, hyperparameters)
    parts = {
        part: pl.col(f"{metric}_{source}") if f"{metric}_{source}" in rows.columns else pl.lit(None, pl.Float64)
        for part, source in (("value", "mean"), ("low", "low"), ("high", "high"))
    }
    n = pl.col(f"{metric}_n") if f"{metric}_n" in rows.columns else pl.lit(0)
    declared = _declared(optimizer, name)
    fair = comparable(rows, metric)
    rows = rows.select(
        pl.lit(optimizer).alias("optimizer"),
        pl.lit(name).alias("hyperparameter"),
        pl.lit(declared.meaning if declared else "").alias("meaning"),
        pl.lit(declared.default if declared and isinstance(declared.default, float) else None, pl.Float64).alias(
            "default"
        ),
        pl.col(name).alias("tried"),
        **parts,
        diverged=pl.col("diverged") == pl.col("trials"),
        lost=1 - n / pl.col("trials"),
    )
    whole = rows.filter(pl.col("lost") == pl.col("lost").min())
    best = whole["value"].max() if up else whole["value"].min()
    tolerance = NEAR_ACCURACY if MetricName.parse(metric).metric.endswith("accuracy") else NEAR * abs(best or 0)
    best, is_whole = best if fair else None, pl.col("lost") == pl.col("lost").min()
    return rows.sort("tried").with_columns(
        base=pl.col("tried").eq_missing(usual(configurations, name)),
        best=(is_whole & (pl.col("value") == pl.lit(best, pl.Float64))).fill_null(False),
        near=(is_whole & ((pl.col("value") - pl.lit(best, pl.Float64)).abs() <= tolerance)).fill_null(False),
        place=pl.int_range(pl.len()),
        fair=pl.lit(fair),
    )


def _declared(optimizer: str, name: str) -> Any:
    try:
        rule = find_optimizer(optimizer)
    except UnknownName:  # an optimizer of a user's file: the run does not hold its declarations
        return None
    return next((number for number in rule.hyperparameters if number.name == name), None)


def table(frame: pl.DataFrame) -> pl.DataFrame:
    """One row per hyperparameter: what it does, default, best value, the values near the best."""
    if frame.is_empty():
        return frame
    near = pl.col("tried").filter(pl.col("near"))
    return frame.group_by("optimizer", "hyperparameter", maintain_order=True).agg(
        pl.col("meaning").first().alias("what_it_does"),
        pl.col("default").first(),
        best_found=pl.col("tried")
        .filter(pl.col("best"))
        .sort_by(pl.col("base").filter(pl.col("best")), descending=True)
        .first(),
        value=pl.col("value").filter(pl.col("best")).first(),
        near_best_from=near.min(),
        near_best_to=near.max(),
        values_near_best=near.len(),
        values_tried=pl.len(),
    )


def draw(frame: pl.DataFrame, spec: Figure, theme: Theme) -> Any:
    """One small picture per hyperparameter: the metric over the values tried, values near the best in colour, the
    study's own value circled."""
    if frame.is_empty():
        return common.empty("No hyperparameter varies.")
    log = common.is_log(frame, "scale" in spec.model_fields_set, spec.scale, spec.metric)
    shown = frame.filter(pl.col("value") > 0) if log else frame.drop_nulls("value")
    if shown.is_empty():
        return common.empty("No trial finished with a value to show.")
    limits = (shown["value"].min(), shown["value"].max())
    pictures = []
    for (optimizer, number), rows in frame.group_by("optimizer", "hyperparameter", maintain_order=True):
        pictures.append(
            _picture(
                rows,
                f"{formatting.name(optimizer)}: {formatting.name(number)}",
                log,
                limits,
                theme.optimizers[optimizer].light,
                spec,
            )
        )
    return alt.concat(*pictures, columns=4).properties(spacing={"row": 30, "column": 34})


def _picture(rows: pl.DataFrame, title: str, log: bool, limits: tuple[float, float], color: str, spec: Figure) -> Any:
    name = rows["hyperparameter"][0]
    digits = {name: formatting.digits_apart(rows["tried"])}
    labelled = rows.with_columns(
        pl.Series("text", [formatting.value_of(name, value, digits) for value in rows["tried"]], pl.String)
    )
    order = labelled["text"].to_list()
    x = alt.X(
        "text:N",
        sort=order,
        title=None,
        axis=alt.Axis(labelAngle=0, labelOverlap="greedy", labelSeparation=4, labelFontSize=10),
        scale=alt.Scale(domain=order),
    )
    y = alt.Y("value:Q", title=None, axis=common.value_axis(3, log), scale=common.y_scale(limits, log, nice=True))
    tips = [alt.Tooltip("text:N", title="value"), common.tip("value", label(spec.metric))]
    live = labelled.filter(pl.col("value") > 0) if log else labelled.drop_nulls("value")
    base = alt.Chart(common.held(live.select("text", "value", "low", "high", "base", "best", "near", "place")))
    layers = [
        base.mark_line(color=color, strokeWidth=1.2, opacity=0.5).encode(x=x, y=y, order="place:Q"),
        common.spoken(base, ["value"])
        .mark_circle(size=42, opacity=1)
        .encode(x=x, y=y, tooltip=tips, color=alt.condition("datum.near", alt.value(color), alt.value(INK["axis"][0]))),
        base.transform_filter("datum.base")
        .mark_point(size=110, color=INK["text"][0], strokeWidth=1.1)
        .encode(x=x, y=y),
    ]
    if labelled["diverged"].any():
        bad = alt.Chart(common.held(labelled.filter("diverged").select("text")))
        layers.append(
            bad.mark_point(shape=common.CROSS, size=50, strokeWidth=1.6, color=INK["alarm"][0]).encode(
                x=x, y=alt.value(5)
            )
        )
    return alt.layer(*layers, title=title).properties(width=190, height=110)


def caption(analysis: Analysis, frame: pl.DataFrame, spec: Figure) -> str:
    if frame.is_empty():
        return ""
    near = (
        "within 0.005 of the best"
        if MetricName.parse(spec.metric).metric.endswith("accuracy")
        else "within 10 % of the best"
    )
    text = (
        f"Vertical axis: {label(spec.metric)}. In colour: {near}. Circled: the study's own value, which is kept while "
        "other hyperparameters vary."
    )
    if not frame["fair"].all():
        text += " A hyperparameter of the loss changes what its value means, so no value of it is marked as best."
    return text + (" Cross at the top: every seed diverged." if frame["diverged"].any() else "")


HYPERPARAMETERS = FigureKind(
    "hyperparameters",
    "Hyperparameters, varied one at a time",
    settle,
    data,
    draw,
    caption,
    fits=lambda analysis: analysis.study.design == "one_at_a_time",
    table=table,
)
