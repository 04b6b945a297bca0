"""A metric against the step: one line a configuration, mean and spread over its seeds."""

from __future__ import annotations

from typing import Any

import polars as pl

from fallline.report import formatting
from fallline.report import vega as alt
from fallline.report.figures import draw as common
from fallline.report.figures.choose import chosen, labelled, told_apart
from fallline.report.figures.kind import FigureKind
from fallline.report.figures.others import bands
from fallline.report.figures.running import running_means, window_of
from fallline.report.figures.thin import thin_curves
from fallline.report.style import INK, WIDTH, Theme
from fallline.stats import comparable, curve_column, label
from fallline.stats.analysis import Analysis
from fallline.stats.metric import after_training
from fallline.stats.summary import FEW_SEEDS
from fallline.study import Figure

BEST_LINES = 12
"""At most so many lines a panel, the best; the caption says how many there were, a band where the others lie."""

MOST_COLORED = 4
"""So many optimizers have a band of their own, in their colour; of more all others share a grey one."""

BAND = 0.16
"""The opacity of the band of a line's seeds."""

POINTS, MOST_POINTS, LEAST_POINTS = 9000, 300, 60
"""Points of a figure, and the most and fewest of a line; more cannot be seen."""


def settle(analysis: Analysis, spec: Figure) -> Figure:
    """The curve of the study's metric, told apart by what varies; a panel a kind where losses cannot be compared."""
    metric = curve_column(spec.metric or analysis.metric.column)
    spec = spec.model_copy(update={"metric": metric})
    scale = f" ({spec.scale} scale)" if spec.scale == "log" else ""
    title = spec.title or f"{label(metric)} against the step{scale}"
    return spec.model_copy(update={"metric": metric, "title": title, **told_apart(analysis, spec)})


def data(analysis: Analysis, spec: Figure) -> pl.DataFrame:
    """A row a drawn point, ``what`` = "line"; and of configurations that have no line ``what`` = "others".

    Columns: panel, color, trial (texts), step, value (mean over seeds), low, high, seeds; diverged (no seed
    finished), end (the last point of such a curve), lost (seeds that diverged), missing (seeds that finished and have
    no number of the metric), cut (seeds that early stopping ended
    before the last step), of (configurations that were run in that panel); window (steps of the running mean, where
    single batches are too noisy to read). Of the others value, low and high are median, 10 % and 90 % quantile over
    configurations.
    """
    trials = chosen(analysis, spec)
    table = analysis.summary
    ranks = table.select(
        "configuration",
        "rank",
        lost="diverged",
        missing=_missing(table, spec.metric),
        diverged=pl.col("diverged") == pl.col("trials"),
        cut=pl.col("stopped") if "stopped" in table.columns else pl.lit(0),
    )
    every = lines = labelled(analysis, trials, spec).join(ranks, on="configuration").sort("rank")
    lines = lines.with_columns(place=pl.int_range(pl.len()).over("panel"), of=pl.len().over("panel"))
    many = pl.col("of") > BEST_LINES
    if spec.color == "optimizer":  # every optimizer at its best says more than the best optimizer many times
        lines = lines.with_columns(turn=pl.int_range(pl.len()).over("panel", "color"))
        lines = lines.filter(~many | (pl.col("turn") == 0)).drop("turn", "place")
    else:
        lines = lines.filter(pl.col("place") < BEST_LINES).drop("place")
    trials = trials.join(every.select("configuration", "diverged"), on="configuration")
    rest = every.join(lines, on="configuration", how="anti")
    keys = ["panel", "panel_place"]
    if spec.color == "optimizer" and every["color"].n_unique() <= MOST_COLORED:
        keys += ["color", "color_place"]
    others = bands(analysis, trials, rest.select("configuration", *keys), spec.metric, spec.steps)
    trials = trials.join(lines.select("configuration"), on="configuration", how="semi")
    most = max(LEAST_POINTS, min(MOST_POINTS, POINTS // max(1, lines.height)))
    last = (pl.col("step") == pl.col("step").max()).over("configuration")
    thin = thin_curves(analysis, trials, spec.metric, spec.steps, most)
    window = window_of(thin.join(lines, on="configuration"), spec, trials.get_column("batch_size", default=None))
    if window:
        thin = running_means(analysis, trials, spec.metric, spec.steps, window, most)
    else:
        thin = thin.with_columns(window=pl.lit(None, pl.Int64))
    found = thin.join(lines, on="configuration").with_columns(end=pl.col("diverged") & last)
    found = found.with_columns(what=pl.lit("line")).sort("panel_place", "color_place", "configuration", "step")
    if others.is_empty():
        return found
    others = others.with_columns(what=pl.lit("others"), diverged=pl.lit(False), end=pl.lit(False))
    return pl.concat([found, others], how="diagonal_relaxed")


def _missing(table: pl.DataFrame, metric: str) -> pl.Expr:
    """Of each configuration the seeds that finished and whose last value of the curve is not a number, where others
    have one."""
    name = after_training(metric)
    if f"{name}_n" not in table.columns:
        return pl.lit(0)
    n = pl.col(f"{name}_n")
    return pl.when(n > 0).then(pl.col("trials") - pl.col("diverged") - n).otherwise(0)


def draw(frame: pl.DataFrame, spec: Figure, theme: Theme) -> Any:
    """Lines with bands; crosses where curves diverge; values on hover; legends that single out; zoom."""
    if frame.is_empty():
        return common.empty("Nothing was recorded that this figure could show.")
    log = common.is_log(frame, "scale" in spec.model_fields_set, spec.scale, spec.metric)
    limits = common.domain(frame, log)
    if log:
        frame = frame.filter(pl.col("value") > 0)
    names = frame.unique("panel_place").sort("panel_place")["panel"].to_list()
    many = len(names) > 1
    border = common.inside(limits, log)
    at_border = pl.col("value").clip(*border) if border else pl.col("value")
    frame = frame.with_columns(
        pl.when("end").then(at_border).otherwise(common.near(pl.col("value"), limits, log)).alias("value")
    )
    band = pl.col("panel_place") * 1000 + pl.col("color_place").fill_null(999) + 1_000_000
    line = pl.col("configuration").cast(pl.Int64).fill_null(band)
    frame = frame.with_columns(pl.col("color").fill_null(""), line=line)
    low = pl.col("low").clip(limits[0]) if limits and log else pl.col("low")
    shown = frame.select("panel", "color", "trial", "line", "step", "value", low, "high", "seeds", "end", "what")
    layers = alt.layer(*_layers(frame, spec, theme, log, limits, many))
    if not many:
        return common.with_rows(layers, shown).properties(data=common.ROWS, width=WIDTH - 240, height=380)
    columns = 2 if len(names) in (2, 4) else 3
    facet = alt.Facet("panel:N", sort=names, title=None)
    sized = layers.properties(width=(WIDTH - 60 - 36 * (columns - 1)) // columns, height=170 if columns == 3 else 220)
    grid = common.with_rows(
        sized.facet(facet, columns=columns, data=common.ROWS).properties(spacing={"row": 44, "column": 36}), shown
    )
    return grid.resolve_axis(x="independent") if len(names) % columns else grid


def _layers(frame: pl.DataFrame, spec: Figure, theme: Theme, log: bool, limits: Any, many: bool) -> list[alt.Chart]:
    legend = alt.Legend(orient="top", columns=9) if many else alt.Legend(orient="right")
    color = common.colors(frame.filter(pl.col("what") == "line"), spec.color, theme, legend)
    fill = common.filled(color["color"])
    pick = alt.selection_point(name="pick", fields=["color"], bind="legend")
    zoom = alt.selection_interval(name="zoom", bind="scales", zoom="wheel![event.shiftKey]")
    hover = alt.selection_point(name="hover", on="pointermove", nearest=True, clear="pointerout", empty=False)
    x = alt.X(
        "step:Q",
        title="step",
        axis=common.step_axis(4 if many else 8),
        scale=alt.Scale(domain=[frame["step"].min(), max(frame["step"].max(), 1)], nice=False),
    )
    window = frame["window"].max()
    said = label(spec.metric) + (f", mean over {formatting.count(window)} steps" if window else "")
    heading = said + (", log scale" if log else "")
    y = alt.Y("value:Q", title=heading, scale=common.y_scale(limits, log), axis=common.value_axis(log=log))
    faded = alt.condition(pick, alt.value(1), alt.value(0.07))
    own_rows, other_rows = (frame.filter(pl.col("what") == what) for what in ("line", "others"))
    cut = common.runs_off(own_rows, limits)  # cutting every line costs a picture a second, so only where needed
    own, others = _parts(frame)
    line = own.mark_line(clip=cut).encode(x=x, y=y, detail="line:N", opacity=faded, **color)
    layers = [line.add_params(pick, zoom)]
    if others is not None:
        layers += _bands(others, x, y, fill if other_rows["color"][0] else {}, common.runs_off(other_rows, limits))
    spread = own_rows["low"].null_count() < own_rows.height
    if spread:
        band = own.mark_area(clip=cut, strokeWidth=0, line=False).encode(
            x=x,
            y=alt.Y("low:Q", scale=common.y_scale(limits, log), title=heading),
            y2="high:Q",
            detail="line:N",
            opacity=alt.condition(pick, alt.value(_faintness(own_rows)), alt.value(0.02)),
            **fill,
        )
        layers.append(band)  # after the line: a legend is that of the first layer
    if frame["end"].any():
        cross = own.transform_filter("datum.end").mark_point(shape=common.CROSS, size=70, strokeWidth=1.8)
        layers.append(cross.encode(x=x, y=y, opacity=faded, color=color["color"]))
    tips = [alt.Tooltip("trial:N"), alt.Tooltip("step:Q", format=formatting.COUNT_FORMAT), common.tip("value", said)]
    if spread:
        tips += [common.tip("low"), common.tip("high"), alt.Tooltip("seeds:Q")]
    dot = (
        common.spoken(own, ["value", "low", "high"])
        .mark_circle(size=60, clip=True)
        .encode(x=x, y=y, tooltip=tips, opacity=alt.condition(hover, alt.value(1), alt.value(0)), **fill)
    )
    return [*layers, dot.add_params(hover).properties(name="hover_dots")]


def _faintness(rows: pl.DataFrame) -> float:
    """The opacity of a band: less where many lie over one another, so that the lines can be seen through them all."""
    lines = rows.group_by("panel").agg(pl.col("configuration").n_unique())["configuration"].max()
    return round(min(BAND, max(BAND / 3, BAND * 4 / lines)), 3)


def _parts(frame: pl.DataFrame) -> tuple[alt.Chart, alt.Chart | None]:
    """The chart of the lines and that of the others; where all have a line, nothing needs to be sifted."""
    if (frame["what"] == "line").all():
        return alt.Chart(), None
    return tuple(alt.Chart().transform_filter(f"datum.what == '{what}'") for what in ("line", "others"))


def _bands(others: alt.Chart, x: alt.X, y: alt.Y, fill: dict[str, Any], cut: bool) -> list[alt.Chart]:
    """The others: an area with its median dotted, in their colour or in grey."""
    paint = fill or {"fill": alt.value(INK["muted"][0])}
    area = others.mark_area(clip=cut, strokeWidth=0, line=False, opacity=0.13)
    low = alt.Y("low:Q", title=y["title"], scale=y["scale"])
    middle = others.mark_line(clip=cut, strokeWidth=1, strokeDash=[2, 3], color=INK["muted"][0], opacity=0.8)
    return [area.encode(x=x, y=low, y2="high:Q", detail="line:N", **paint), middle.encode(x=x, y=y, detail="line:N")]


def caption(analysis: Analysis, frame: pl.DataFrame, spec: Figure) -> str:
    """Spread over seeds, what was left out, what the cross means."""
    if frame.is_empty():
        return ""
    others = frame.filter(pl.col("what") == "others").height > 0
    frame = frame.filter(pl.col("what") == "line")
    seeds = int(frame["seeds"].max())
    band = "the 95 % interval" if seeds >= FEW_SEEDS else "from the least to the greatest"
    said = ["One seed." if seeds == 1 else f"Mean over {formatting.plural(seeds, 'seed')}; the band is {band}."]
    drawn, of = frame["configuration"].n_unique(), int(frame.unique("panel")["of"].sum())
    if drawn < of:
        best = "Each optimizer's best" if spec.color == "optimizer" else "The best"
        said.append(f"{best}, {formatting.count(drawn)} of {formatting.plural(of, 'configuration')}.")
    if others:
        said.append(
            "The shaded band holds the middle four fifths of the others that did not diverge, dotted: their median."
        )
    points, window = int(frame.group_by("configuration").len()["len"].max()), frame["window"].max()
    if window:
        each = "of each seed, " if seeds > 1 else ""
        every = analysis.study.record_every
        over = f"{formatting.count(window)} steps" + (f", 1 in {formatting.count(every)} recorded" if every > 1 else "")
        said.append(f"Single batches are too noisy to read: a running mean {each}over {over}.")
    elif points >= LEAST_POINTS - 2 and points < frame["recorded"].max():
        said.append(
            f"At most {formatting.count(points)} points a line: the lowest and highest of each stretch of steps."
        )
    if frame["end"].any():
        said.append("A cross ends a curve that diverged.")
    if not comparable(chosen(analysis, spec), spec.metric):
        said.append("Losses of different kinds cannot be compared: hold no curve against one of another loss.")
    cut = frame.filter(pl.col("cut") > 0)["configuration"].n_unique()
    if cut:
        mean = "; a mean ends where the first of its seeds does" if seeds > 1 else ""
        said.append(f"Early stopping ended {formatting.plural(cut, 'line')} before the last step{mean}.")
    partly = frame.filter((pl.col("lost") > 0) & ~pl.col("diverged"))["configuration"].n_unique()
    if partly:
        said.append(
            f"Where only some seeds diverged ({formatting.plural(partly, 'line')}), the mean is over the others."
        )
    if common.is_log(frame, "scale" in spec.model_fields_set, spec.scale, spec.metric) and (frame["value"] <= 0).any():
        said.append("Values of exactly 0 have no place on a log scale.")
    if gaps := frame.filter(pl.col("missing") > 0)["configuration"].n_unique():
        said.append(f"Where a seed's metric is not a number the mean has no point ({formatting.plural(gaps, 'line')}).")
    return " ".join(said)


CURVES = FigureKind(
    "curves",
    "Metric against the step",
    settle,
    data,
    draw,
    caption,
    fits=lambda analysis: analysis.study.design == "cross",
)
