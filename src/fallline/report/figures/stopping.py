"""What would early stopping have kept? The rule of patience on the curves, against the last step."""

from __future__ import annotations

from typing import Any

import polars as pl

from fallline.contracts import MetricName
from fallline.report import formatting
from fallline.report import vega as alt
from fallline.report.figures import draw as common
from fallline.report.figures.choose import chosen, labelled
from fallline.report.figures.kind import FigureKind
from fallline.report.figures.thin import at_a_time
from fallline.report.style import INK, WIDTH, Theme
from fallline.stats import curve_column, label
from fallline.stats.analysis import Analysis
from fallline.stats.columns import finished
from fallline.stats.stopping import stops
from fallline.study import Figure

MOST_ROWS = 12
"""Configurations in the table, the best; the CSV has all."""

LEAST_LOOKS = 4
"""With fewer looks at the validation split no rule could choose."""


def settle(analysis: Analysis, spec: Figure) -> Figure:
    """The rule watches the validation loss, or what the study names."""
    watched = curve_column(spec.metric) if spec.metric else _watched(analysis) or "validation_loss"
    title = spec.title or "What would early stopping have kept?"
    return spec.model_copy(update={"metric": watched, "title": title})


def _watched(analysis: Analysis) -> str | None:
    known = analysis.curve_schema
    found = [name for name in ("validation_loss", curve_column(analysis.metric.column)) if name in known]
    return next((name for name in found if MetricName.parse(name).split == "validation"), None)


def _read(analysis: Analysis, watched: str) -> str:
    """What is compared: the validation metric that ranks, or what the rule watches."""
    ranks = curve_column(analysis.metric.column)
    return ranks if MetricName.parse(ranks).split == "validation" and ranks in analysis.curve_schema else watched


def data(analysis: Analysis, spec: Figure) -> pl.DataFrame:
    """Rows of two sorts. ``what`` = "look": the first seed of the best configuration, a row a look: step, watched.
    ``what`` = "patience": a row a (configuration, patience), means over seeds: stop_step, kept_step, kept_value,
    last_value, difference (kept minus last), read (the metric these three are of, in words), steps_saved, last_step,
    early (seeds the rule would have stopped), seeds; of the best configuration also first_stop, first_kept and
    first_watched, those of its first seed.

    Trials that did stop early are left out: what they would have reached is not known.
    """
    trials = chosen(analysis, spec).filter(finished())
    if "early_stop" in trials.columns:
        trials = trials.filter(pl.col("early_stop").is_null())
    read = _read(analysis, spec.metric)
    if trials.is_empty() or spec.metric not in analysis.curve_schema:
        return pl.DataFrame(schema={"what": pl.String, "early": pl.Int64})
    up = analysis.higher_is_better(spec.metric)
    found = pl.concat(stops(_looks(analysis, own, spec.metric, read), up=up) for own in at_a_time(analysis, trials))
    rows = found.rename({"trial": "name"}).join(trials.select("configuration", "seed", name="trial"), on="name")
    names = ("stop_step", "kept_step", "kept_value", "last_value", "difference", "steps_saved", "last_step")
    means = rows.group_by("configuration", "patience", maintain_order=True).agg(
        *(pl.col(name).mean() for name in names), pl.col("early").sum().cast(pl.Int64), seeds=pl.len()
    )
    ranks = analysis.summary.select("configuration", "rank")
    lines = labelled(analysis, trials, spec).select("configuration", "trial").join(ranks, on="configuration")
    means = (
        means.join(lines, on="configuration")
        .sort("rank", "configuration", "patience")
        .with_columns(what=pl.lit("patience"))
    )
    best = means["configuration"][0] if means.height else None
    first = rows.filter(pl.col("configuration") == best).sort("seed")
    first = first.filter(pl.col("seed") == first["seed"].min())
    own = _looks(analysis, first.select(trial="name").head(1), spec.metric, read).sort("step")
    kept = first.join(own.select("step", first_watched="watched"), left_on="kept_step", right_on="step").select(
        "configuration", "patience", first_stop="stop_step", first_kept="kept_step", first_watched="first_watched"
    )
    means = means.join(kept, on=["configuration", "patience"], how="left", maintain_order="left")
    means = means.with_columns(read=pl.lit(label(read)))
    return pl.concat([own.select("step", "watched", what=pl.lit("look")), means], how="diagonal_relaxed")


def _looks(analysis: Analysis, trials: pl.DataFrame, watched: str, read: str) -> pl.DataFrame:
    """Columns trial, step, watched, value: the steps at which the trials were looked at."""
    looks = analysis.curves_of(trials.select("trial")).filter(pl.col(watched).is_not_null())
    return looks.select("trial", "step", watched=pl.col(watched), value=pl.col(read)).collect().sort("trial", "step")


def table(frame: pl.DataFrame) -> pl.DataFrame:
    """One row a (configuration, patience), the best configurations; each is named in its first row."""
    rows = frame.filter(pl.col("what") == "patience")
    if rows.is_empty():
        return rows
    several, least = rows["seeds"].max() > 1, rows["patience"].min()
    best = rows["configuration"].unique(maintain_order=True).head(MOST_ROWS)
    rows = rows.filter(pl.col("configuration").is_in(best.implode()))
    said = [
        {
            "configuration": row["trial"] if row["patience"] == least else "",
            "patience": row["patience"],
            **({"stopped": f"{row['early']} of {row['seeds']}"} if several else {}),
            "stops_at": formatting.count(row["stop_step"]) if row["early"] else "never",
            "keeps_step": formatting.count(row["kept_step"]),
            f"{row['read']}_kept": formatting.number(row["kept_value"]),
            "at_the_last_step": formatting.number(row["last_value"]),
            "difference": formatting.signed(row["difference"]) if row["difference"] else "0",
            "steps_saved": f"{formatting.count(row['steps_saved'])} "
            f"({row['steps_saved'] / max(row['last_step'], 1):.0%})",
        }
        for row in rows.iter_rows(named=True)
    ]
    return pl.DataFrame(said)


def draw(frame: pl.DataFrame, spec: Figure, theme: Theme) -> Any:
    """The curve the rule watches, a dot where each patience keeps; below, a row a patience from kept to stopped."""
    curve = frame.filter(pl.col("what") == "look")
    if curve.is_empty():
        return common.empty("No validation loss was recorded on the way.")
    marks = frame.filter(pl.col("what") == "patience").drop_nulls("first_kept")
    marks = marks.with_columns(patience=pl.col("patience").cast(pl.String))
    order = marks["patience"].to_list()
    last = curve["step"].max()
    ends = alt.Scale(domain=[curve["step"].min(), max(last, 1)], nice=False)
    x = alt.X("step:Q", title=None, scale=ends, axis=common.step_axis(8))
    y = alt.Y(
        "watched:Q",
        title=label(spec.metric),
        scale=common.y_scale(None, False, nice=True, padding=12),
        axis=common.value_axis(),
    )
    colors = [mark.light for mark in theme.marks("patience", order)]
    color = alt.Color("patience:N", scale=alt.Scale(domain=order, range=colors), legend=None)
    line = common.spoken(alt.Chart(common.held(curve.select("step", "watched"))), ["watched"])
    tips = [alt.Tooltip("step:Q", format=formatting.COUNT_FORMAT), common.tip("watched", label(spec.metric))]
    rows = marks.select(
        "patience", step="first_kept", watched="first_watched", stop="first_stop", ends=pl.col("first_stop") < last
    )
    kept = alt.Chart(common.held(rows.unique("step", keep="last", maintain_order=True)))
    upper = alt.layer(
        line.mark_line(color=INK["muted"][0], point={"size": 16, "color": INK["muted"][0], "filled": True}).encode(
            x=x, y=y, tooltip=tips
        ),
        kept.mark_point(size=120, strokeWidth=2, filled=False, opacity=1).encode(x=x, y=y, color=color),
    ).properties(width=WIDTH - 140, height=240)
    strip = alt.Chart(common.held(rows))
    below = alt.X("step:Q", title="step", scale=ends, axis=common.step_axis(8))
    row = alt.Y(
        "patience:N",
        sort=order,
        title="patience",
        scale=alt.Scale(domain=order, padding=0.5),
        axis=alt.Axis(domain=False, ticks=False, grid=True),
    )
    told = [
        alt.Tooltip("patience:N"),
        alt.Tooltip("step:Q", title="keeps step", format=formatting.COUNT_FORMAT),
        alt.Tooltip("stop:Q", title="stops at", format=formatting.COUNT_FORMAT),
    ]
    lower = alt.layer(
        strip.mark_rule(strokeWidth=2).encode(x=below, x2="stop:Q", y=row, color=color),
        strip.mark_point(size=90, strokeWidth=2, filled=False, opacity=1).encode(
            x=below, y=row, color=color, tooltip=told
        ),
        strip.transform_filter("datum.ends")
        .mark_point(shape=common.CROSS, size=60, strokeWidth=2, opacity=1)
        .encode(x=alt.X("stop:Q", title="step", scale=ends), y=row, color=color, tooltip=told),
    ).properties(width=WIDTH - 140, height=22 * len(order))
    return alt.vconcat(upper, lower, spacing=30)


def caption(analysis: Analysis, frame: pl.DataFrame, spec: Figure) -> str:
    """The rule, whose curve it is, and what is compared."""
    rows = frame.filter(pl.col("what") == "patience")
    if rows.is_empty():
        return ""
    seeds, best = int(rows["seeds"].max()), rows.row(0, named=True)
    who = f"{best['trial']}, its first seed" if seeds > 1 else best["trial"]
    means = f", means over {formatting.plural(seeds, 'seed')}, where one that runs to the end counts its last step"
    means = means if seeds > 1 else ""
    of = rows["configuration"].n_unique()
    many = f" The best {MOST_ROWS} of {formatting.count(of)} configurations; the CSV has all." if of > MOST_ROWS else ""
    return (
        f"Training would end when {label(spec.metric)} has not been better than its best for so many looks in a row "
        f"(the patience), and the best look would be kept. Curve: {who}. A ring is what is kept, a cross where "
        f"training would end; a row without a cross runs to the end. Table{means}: {rows['read'][0]} at the look that "
        f"is kept, against the last step.{many} Kept is chosen on the split it is read on, so it flatters a little."
    )


def _fits(analysis: Analysis) -> bool:
    if analysis.study.design != "cross" or _watched(analysis) is None:
        return False
    trials = analysis.trials.filter(finished())
    if "early_stop" in trials.columns:
        trials = trials.filter(pl.col("early_stop").is_null())
    if trials.is_empty():
        return False
    own = analysis.curves_of(trials.select("trial").head(1)).select(pl.col(_watched(analysis)).count()).collect().item()
    return own >= LEAST_LOOKS


STOPPING = FigureKind("stopping", "What would early stopping have kept?", settle, data, draw, caption, _fits, table)
