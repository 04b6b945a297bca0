"""The numbers of each optimizer, varied one at a time: the default, the best found, and how flat the optimum is."""

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
from fallline.stats.columns import number_columns
from fallline.stats.metric import after_training
from fallline.stats.one_at_a_time import alone, usual, varied
from fallline.study import Figure

NEAR, NEAR_ACCURACY = 0.10, 0.005
"""As good as the best: within 10 % of it, or 0.005 of an accuracy."""


def settle(analysis: Analysis, spec: Figure) -> Figure:
    metric = spec.metric or analysis.metric.column
    metric = after_training(metric)
    return spec.model_copy(
        update={"metric": metric, "title": spec.title or "The numbers of each optimizer, one at a time"}
    )


def data(analysis: Analysis, spec: Figure) -> pl.DataFrame:
    """A row a value that was tried: optimizer, number, meaning, default, value_tried, place (its rank by size), value
    (the metric), low, high, diverged, lost (the share of its seeds without a number; only values with the
    least of it can be best), base (the study's own value), best, near (as good as the best)."""
    trials = chosen(analysis, spec)
    table = analysis.summary.filter(pl.col("configuration").is_in(trials["configuration"].unique().implode()))
    hyperparameters, found = number_columns(trials), []
    up = analysis.higher_is_better(spec.metric)
    for optimizer in table["optimizer"].unique(maintain_order=True):
        own = table.filter(pl.col("optimizer") == optimizer)
        found += [
            _rows(own, optimizer, name, hyperparameters, spec.metric, up) for name in varied(own, hyperparameters)
        ]
    return pl.concat(found, how="diagonal_relaxed") if found else pl.DataFrame(schema={"value": pl.Float64})


def _rows(
    own: pl.DataFrame, optimizer: str, name: str, hyperparameters: list[str], metric: str, up: bool
) -> pl.DataFrame:
    """The configurations that differ from the base in ``name`` alone."""
    rows = alone(own, name, hyperparameters)
    parts = {
        part: pl.col(f"{metric}_{source}") if f"{metric}_{source}" in rows.columns else pl.lit(None, pl.Float64)
        for part, source in (("value", "mean"), ("low", "low"), ("high", "high"))
    }
    n = pl.col(f"{metric}_n") if f"{metric}_n" in rows.columns else pl.lit(0)
    number = _declared(optimizer, name)
    fair = comparable(rows, metric)
    rows = rows.select(
        pl.lit(optimizer).alias("optimizer"),
        pl.lit(name).alias("number"),
        pl.lit(number.meaning if number else "").alias("meaning"),
        pl.lit(number.default if number and isinstance(number.default, float) else None, pl.Float64).alias("default"),
        pl.col(name).alias("tried"),
        **parts,
        diverged=pl.col("diverged") == pl.col("trials"),
        lost=1 - n / pl.col("trials"),
    )
    whole = rows.filter(pl.col("lost") == pl.col("lost").min())
    best = whole["value"].max() if up else whole["value"].min()
    reach = NEAR_ACCURACY if MetricName.parse(metric).metric.endswith("accuracy") else NEAR * abs(best or 0)
    best, is_whole = best if fair else None, pl.col("lost") == pl.col("lost").min()
    return rows.sort("tried").with_columns(
        base=pl.col("tried").eq_missing(usual(own, name)),
        best=(is_whole & (pl.col("value") == pl.lit(best, pl.Float64))).fill_null(False),
        near=(is_whole & ((pl.col("value") - pl.lit(best, pl.Float64)).abs() <= reach)).fill_null(False),
        place=pl.int_range(pl.len()),
        fair=pl.lit(fair),
    )


def _declared(optimizer: str, name: str) -> Any:
    try:
        rule = find_optimizer(optimizer)
    except UnknownName:  # a rule of the user's own file: what it says of its numbers is not in the run
        return None
    return next((number for number in rule.hyperparameters if number.name == name), None)


def table(frame: pl.DataFrame) -> pl.DataFrame:
    """One row a number: what it does, default, best found, the values as good as the best."""
    if frame.is_empty():
        return frame
    near = pl.col("tried").filter(pl.col("near"))
    return frame.group_by("optimizer", "number", maintain_order=True).agg(
        pl.col("meaning").first().alias("what_it_does"),
        pl.col("default").first(),
        best_found=pl.col("tried")
        .filter(pl.col("best"))
        .sort_by(pl.col("base").filter(pl.col("best")), descending=True)
        .first(),
        value=pl.col("value").filter(pl.col("best")).first(),
        as_good_from=near.min(),
        as_good_to=near.max(),
        values_as_good=near.len(),
        values_tried=pl.len(),
    )


def draw(frame: pl.DataFrame, spec: Figure, theme: Theme) -> Any:
    """A small picture a number: the metric over the values tried, the best filled, the study's own value ringed."""
    if frame.is_empty():
        return common.empty("No number varies.")
    log = common.is_log(frame, "scale" in spec.model_fields_set, spec.scale, spec.metric)
    shown = frame.filter(pl.col("value") > 0) if log else frame.drop_nulls("value")
    if shown.is_empty():
        return common.empty("No trial finished with a value to show.")
    limits = (shown["value"].min(), shown["value"].max())
    pictures = []
    for (optimizer, number), rows in frame.group_by("optimizer", "number", maintain_order=True):
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
    number = rows["number"][0]
    digits = {number: formatting.digits_apart(rows["tried"])}
    said = rows.with_columns(
        pl.Series("text", [formatting.value_of(number, value, digits) for value in rows["tried"]], pl.String)
    )
    order = said["text"].to_list()
    x = alt.X(
        "text:N",
        sort=order,
        title=None,
        axis=alt.Axis(labelAngle=0, labelOverlap="greedy", labelSeparation=4, labelFontSize=10),
        scale=alt.Scale(domain=order),
    )
    y = alt.Y("value:Q", title=None, axis=common.value_axis(3, log), scale=common.y_scale(limits, log, nice=True))
    tips = [alt.Tooltip("text:N", title="value"), common.tip("value", label(spec.metric))]
    live = said.filter(pl.col("value") > 0) if log else said.drop_nulls("value")
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
    if said["diverged"].any():
        bad = alt.Chart(common.held(said.filter("diverged").select("text")))
        layers.append(
            bad.mark_point(shape=common.CROSS, size=50, strokeWidth=1.6, color=INK["alarm"][0]).encode(
                x=x, y=alt.value(5)
            )
        )
    return alt.layer(*layers, title=title).properties(width=190, height=110)


def caption(analysis: Analysis, frame: pl.DataFrame, spec: Figure) -> str:
    if frame.is_empty():
        return ""
    reach = (
        "within 0.005 of the best"
        if MetricName.parse(spec.metric).metric.endswith("accuracy")
        else "within 10 % of the best"
    )
    said = (
        f"Up the side: {label(spec.metric)}. Coloured: {reach}. Ringed: the study's own value, held while others vary."
    )
    if not frame["fair"].all():
        said += " A number of the loss changes what its value means, so there none is best."
    return said + (" A cross at the top: every seed diverged." if frame["diverged"].any() else "")


HYPERPARAMETERS = FigureKind(
    "hyperparameters",
    "Numbers, one at a time",
    settle,
    data,
    draw,
    caption,
    fits=lambda analysis: analysis.study.design == "one_at_a_time",
    table=table,
)
