"""The metric against the learning rate, all optimizers in one picture: how good, and over how wide a range."""

from __future__ import annotations

from typing import Any

import polars as pl

from fallline.report import formatting
from fallline.report import vega as alt
from fallline.report.figures import draw as common
from fallline.report.figures.choose import chosen, color_and_panel, labelled
from fallline.report.figures.kind import FigureKind
from fallline.report.sentences.missing import gone_words
from fallline.report.style import WIDTH, Theme
from fallline.stats import comparable, label
from fallline.stats.analysis import Analysis
from fallline.stats.columns import finished
from fallline.stats.metric import after_training, kind_column
from fallline.stats.summary import FEW_SEEDS
from fallline.study import Figure

MOST_RATES = 60
"""Points of a line; more would overlap."""

RATE = "format(datum.value, datum.value < 1e-4 ? '.2~e' : '.3~g')"


def settle(analysis: Analysis, spec: Figure) -> Figure:
    """The study's metric, one line per optimizer; where losses cannot be compared, one line per kind of loss."""
    metric = spec.metric or analysis.metric.column
    metric = after_training(metric)
    color, trials = spec.color, chosen(analysis, spec)
    if color is None and not comparable(trials, metric):
        color = kind_column(trials)
    if color is None:
        apart = color_and_panel(analysis, spec.model_copy(update={"panel": None}))
        color = "optimizer" if "optimizer" in apart.values() else apart["color"]
        color = "optimizer" if color in (None, "learning_rate") else color
    title = spec.title or f"{label(metric)} against the learning rate"
    return spec.model_copy(update={"metric": metric, "title": title, "color": color})


def data(analysis: Analysis, spec: Figure) -> pl.DataFrame:
    """One row per optimizer and learning rate: value (mean of the best configuration there; null where no seed has a
    number), low and high (as in curves), n; of ``trials`` the count ``lost`` that diverged or have no number; ``of``
    configurations to choose from."""
    trials = chosen(analysis, spec)
    table = analysis.summary
    if "learning_rate" not in trials.columns or f"{spec.metric}_mean" not in table.columns:
        return pl.DataFrame(schema={"learning_rate": pl.Float64, "value": pl.Float64})
    parts = [
        pl.col(f"{spec.metric}_{part}").alias(name)
        for part, name in (("mean", "value"), ("low", "low"), ("high", "high"), ("n", "n"))
    ]
    done = trials.filter(finished()).group_by("configuration")
    ends = done.agg(least=pl.col(spec.metric).min(), greatest=pl.col(spec.metric).max())
    picked = table.select(
        "rank", "configuration", "learning_rate", "trials", *parts, lost=pl.col("trials") - pl.col(f"{spec.metric}_n")
    )
    rows = labelled(analysis, trials, spec).join(picked, on="configuration").join(ends, on="configuration", how="left")
    few = pl.col("n") < FEW_SEEDS
    several = pl.col("low").is_not_null()
    rows = rows.with_columns(
        low=pl.when(few & several).then("least").otherwise("low"),
        high=pl.when(few & several).then("greatest").otherwise("high"),
    )
    rows = rows.filter(pl.col("learning_rate").is_not_null())
    keys = ["panel", "color", "learning_rate"]
    up = analysis.higher_is_better(spec.metric)
    rows = rows.with_columns(of=pl.len().over(keys), all_lost=pl.col("lost") == pl.col("trials"))
    rows = rows.sort("all_lost", "value", "rank", descending=[False, up, False], nulls_last=True)
    rows = _thinned(rows.unique(keys, keep="first", maintain_order=True), keys[:2])
    return rows.sort("panel_place", "color_place", "learning_rate")


def _thinned(rows: pl.DataFrame, line: list[str]) -> pl.DataFrame:
    """At most ``MOST_RATES`` rows per line: the first, best row of each of as many equal intervals of the logarithm of
    the learning rate. ``rates`` is how many there were."""
    rate = pl.col("learning_rate").log()
    low, high = rate.min().over(line), rate.max().over(line)
    stretch = ((rate - low) / (high - low) * MOST_RATES).floor().clip(0, MOST_RATES - 1).fill_nan(0)
    rows = rows.with_columns(rates=pl.len().over(line), stretch=stretch)
    few = rows.filter(pl.col("rates") <= MOST_RATES)
    many = rows.filter(pl.col("rates") > MOST_RATES).unique([*line, "stretch"], keep="first", maintain_order=True)
    return pl.concat([few, many]).drop("stretch")


def draw(frame: pl.DataFrame, spec: Figure, theme: Theme) -> Any:
    """Lines with error bars over the learning rate, log scale; below, crosses where an optimizer diverged."""
    if frame.drop_nulls("value").is_empty():
        return common.empty("No trial finished with a value to show.")
    pick = alt.selection_point(name="pick", fields=["color"], bind="legend")
    faded = alt.condition(pick, alt.value(1), alt.value(0.08))
    rates = frame["learning_rate"].unique().sort().to_list()
    wide = alt.Scale(type="log", domain=[rates[0] / 1.25, rates[-1] * 1.25], nice=False)
    x = alt.X(
        "learning_rate:Q",
        title="learning rate, log scale",
        scale=wide,
        axis=alt.Axis(values=_ticks(rates), labelExpr=RATE, labelOverlap=False),
    )
    lost = frame.filter(pl.col("lost") > 0)
    picture = _picture(frame, spec, theme, x, pick, faded).properties(width=_room(frame, lost))
    if lost.is_empty():
        return picture
    names = lost.unique("color_place").sort("color_place")["color"].to_list()
    strip = alt.Chart(common.held(lost.select("color", "learning_rate", "lost", "trials", "trial")))
    strip = strip.mark_point(shape=common.CROSS, size=50, strokeWidth=1.6).encode(
        x=alt.X("learning_rate:Q", scale=wide, axis=None),
        y=alt.Y(
            "color:N",
            sort=names,
            title="diverged",
            scale=alt.Scale(padding=0.5),
            axis=alt.Axis(domain=False, ticks=False, grid=True, labelLimit=200),
        ),
        opacity=faded,
        color=common.colors(frame, spec.color, theme, alt.Legend(orient="right"))["color"],
        tooltip=[
            alt.Tooltip("trial:N"),
            alt.Tooltip("lost:Q", title="diverged"),
            alt.Tooltip("trials:Q", title="of seeds"),
        ],
    )
    strip = strip.properties(width=_room(frame, lost), height=16 * len(names))
    return alt.vconcat(picture, strip, spacing=34)


def _picture(frame: pl.DataFrame, spec: Figure, theme: Theme, x: alt.X, pick: Any, faded: Any) -> alt.Chart:
    values, log = _shown(frame, spec)
    metric_label = label(spec.metric)
    axis_title = metric_label + (", log scale" if log else "")
    limits = _limits(values, log)
    y = alt.Y("value:Q", title=axis_title, axis=common.value_axis(6, log), scale=common.y_scale(limits, log))
    color = common.colors(frame, spec.color, theme, alt.Legend(orient="right"))
    names = frame.unique("color_place").sort("color_place")["color"].to_list()
    shapes = [mark.shape for mark in theme.marks(spec.color, names)]
    shape = alt.Shape(
        "color:N", sort=None, title=formatting.name(spec.color), scale=alt.Scale(domain=names, range=shapes)
    )
    tips = [alt.Tooltip("trial:N"), common.tip("value", metric_label)]
    spread = values["high"].null_count() < values.height
    if spread:
        tips += [common.tip("low"), common.tip("high")]
    tips.append(alt.Tooltip("n:Q", title="seeds"))
    detail = ["panel:N"]
    line = alt.Chart().mark_line(strokeWidth=1.5).encode(x=x, y=y, opacity=faded, detail=detail, **color)
    point = (
        common.spoken(alt.Chart(), ["value", "low", "high"])
        .mark_point(filled=True, size=48, opacity=1)
        .encode(x=x, y=y, shape=shape, opacity=faded, tooltip=tips, color=color["color"])
    )
    layers = [line.add_params(pick), point]
    if spread:
        layers.insert(
            1,
            alt.Chart()
            .mark_rule(strokeWidth=1.2, clip=True)
            .encode(
                x=x,
                y=alt.Y("low:Q", title=axis_title, scale=common.y_scale(limits, log)),
                y2="high:Q",
                opacity=faded,
                color=color["color"],
            ),
        )
    shown = values.select("panel", "color", "trial", "learning_rate", "value", "low", "high", "n")
    return alt.layer(*layers, data=common.held(shown)).properties(height=360)


def _shown(frame: pl.DataFrame, spec: Figure) -> tuple[pl.DataFrame, bool]:
    """The rows with a value to draw, and whether on a log scale, which leaves out what is not above 0."""
    values = frame.drop_nulls("value")
    log = common.is_log(values, "scale" in spec.model_fields_set, spec.scale, spec.metric)
    if log:
        above = pl.when(pl.col("low") > 0).then("low").alias("low")
        values = values.filter(pl.col("value") > 0).with_columns(above)
    return values, log


def _limits(values: pl.DataFrame, log: bool) -> tuple[float, float]:
    """Limits around means and error bars. Beyond the means, error bars get at most the span of the means on either
    side: a CI over two seeds may be ten times as long."""
    low, high = values["value"].min(), values["value"].max()
    every = pl.concat([values[name] for name in ("value", "low", "high")])
    least, most = every.min(), every.max()
    if high > low:
        least = max(least, low * low / high if log else 2 * low - high)
        most = min(most, high * high / low if log else 2 * high - low)
    return common.around(least, most, log)


def _room(frame: pl.DataFrame, lost: pl.DataFrame) -> int:
    """The width in pixels that the names on the left and the legend on the right leave for the picture."""
    left, right = (max((len(name) for name in names["color"]), default=0) for names in (lost, frame))
    return WIDTH - max(60, 7 * left) - 7 * right - 60


def _ticks(rates: list[float]) -> list[float]:
    """The learning rates whose tick labels fit side by side, from the smallest on."""
    room = (rates[-1] / rates[0]) ** (1 / 14)
    kept = [rates[0]]
    for rate in rates[1:]:
        if rate / kept[-1] > room:
            kept.append(rate)
    return kept


def caption(analysis: Analysis, frame: pl.DataFrame, spec: Figure) -> str:
    """Spread over seeds, what was chosen, and what crosses mean."""
    if frame.drop_nulls("value").is_empty():
        return ""
    seeds = int(frame["n"].max())
    mean = f"Points: mean over {formatting.plural(seeds, 'seed')}; error bars: {common.spread(seeds)}."
    sentences = ["One seed: no CI." if seeds == 1 else mean]
    if frame["of"].max() > 1:
        sentences.append("At each learning rate the best setting of all other hyperparameters is shown.")
    values, log = _shown(frame, spec)
    if log and (frame["value"] <= 0).any():
        sentences.append(common.NO_ZERO_ON_LOG)
    if not values.is_empty() and common.runs_off(values, _limits(values, log)):
        sentences.append("Error bars are cut at the edge of the picture.")
    if not comparable(chosen(analysis, spec), spec.metric):
        sentences.append(common.not_comparable("lines"))
    if frame["rates"].max() > MOST_RATES:
        rates = formatting.count(int(frame["rates"].max()))
        sentences.append(f"Of up to {rates} learning rates per line, the best in each interval is shown.")
    if (frame["lost"] > 0).any():
        gone = gone_words(analysis.run, spec.metric)
        sentences.append(f"A cross below marks a learning rate at which at least one seed {gone}.")
    return " ".join(sentences)


def _fits(analysis: Analysis) -> bool:
    trials = analysis.trials
    return (
        analysis.study.design == "cross"
        and "learning_rate" in trials.columns
        and trials["learning_rate"].n_unique() > 2
    )


SENSITIVITY = FigureKind("sensitivity", "Metric against the learning rate", settle, data, draw, caption, _fits)
