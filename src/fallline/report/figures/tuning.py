"""Expected best after k tries: what a search of any size would have found, a curve an arm with its band."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl

from fallline.errors import StudyError
from fallline.report import formatting
from fallline.report import vega as alt
from fallline.report.figures import draw as common
from fallline.report.figures.choose import chosen, places
from fallline.report.figures.kind import FigureKind
from fallline.report.missing import gone_words
from fallline.report.naming import digits_of, named
from fallline.report.style import WIDTH, Theme
from fallline.stats import comparable, label
from fallline.stats.analysis import Analysis
from fallline.stats.defaults import MISSING, NO_DEFAULT, TRIED
from fallline.stats.good_range import TOLERANCE
from fallline.stats.metric import after_training
from fallline.stats.search import RATE, Search
from fallline.stats.tuning import expected
from fallline.study import Figure
from fallline.study.test_leakage import on_test

LEAST_TRIED = 3
"""Settings an arm must have tried for a curve to say something."""

FEW_ARMS = 4
"""Bands of more lie over one another and are drawn faint."""

MUCH = 4
"""Losses that differ by more than this factor stand on a log scale."""

SHOWN_TRIES = (1, 3)
"""The tries that the table shows, beside all."""


def settle(analysis: Analysis, spec: Figure) -> Figure:
    """The metric that ranks, a curve an optimizer, or a value of the column that the study names as colour."""
    metric = spec.metric or analysis.metric.column
    metric = after_training(metric)
    if on_test(metric) and metric != analysis.metric.column:
        raise StudyError(
            f"the best of several tries is a choice, and choices are made on validation, got {metric} "
            f"({analysis.study.name}, figure {spec.kind}); write the validation metric"
        )
    title = spec.title or f"Expected best {label(metric)} after so many tries"
    return spec.model_copy(update={"metric": metric, "color": spec.color or "optimizer", "title": title})


def data(analysis: Analysis, spec: Figure) -> pl.DataFrame:
    """The rows of ``stats.tuning.expected`` with color and panel in words; and of each arm, on all its rows: trials,
    diverged, learning_rate (chosen), good_low, good_high, decades, cut, defaults (state), defaults_value."""
    found = _searches(analysis, spec)
    if not found:
        return pl.DataFrame(schema={"k": pl.Int64, "value": pl.Float64})
    order = places(
        analysis, found[0].trials if len(found) == 1 else pl.concat([search.trials for search in found]), spec.color
    )
    groups = list(dict.fromkeys(_panel(search) for search in found))
    arms = pl.DataFrame(
        [_facts(search, spec, order, groups) for search in found],
        infer_schema_length=None,
        schema_overrides=dict.fromkeys(
            ("learning_rate", "good_low", "good_high", "decades", "defaults_value"), pl.Float64
        )
        | {"cut": pl.String},
    )
    keys = [*found[0].group, *found[0].arm]
    rows = expected(found).join(arms, on=keys, how="left", nulls_equal=True, maintain_order="left")
    return rows.sort("panel_place", "color_place", "k")


def _searches(analysis: Analysis, spec: Figure) -> list[Search]:
    kept = chosen(analysis, spec)["configuration"].unique()
    table = analysis.summary.filter(pl.col("configuration").is_in(kept.implode()))
    if table.is_empty() or f"{spec.metric}_mean" not in table.columns or spec.color not in table.columns:
        return []
    metric = replace(analysis.metric, column=spec.metric)
    return [replace(search, metric=metric) for search in analysis.searches(spec.color, table)]


def _panel(search: Search) -> str:
    return named(search.run, search.group, search.group)


def _facts(search: Search, spec: Figure, order: dict[Any, int], groups: list[str]) -> dict[str, Any]:
    value, good, usual = search.arm[spec.color], search.rates, search.defaults
    panel = _panel(search)
    return (
        search.group
        | search.arm
        | {
            "color": formatting.value_of(spec.color, value, digits_of(search.run)),
            "color_place": order[value],
            "panel": panel,
            "panel_place": groups.index(panel),
            "trials": search.trials.height,
            "diverged": search.diverged,
            "learning_rate": search.best.get(RATE),
            "good_low": good and good.low,
            "good_high": good and good.high,
            "decades": good and good.decades,
            "cut": good and (good.cut or None),
            "defaults": usual.state,
            "defaults_value": usual.best and usual.best[f"{search.metric.column}_mean"],
        }
    )


def draw(frame: pl.DataFrame, spec: Figure, theme: Theme) -> Any:
    """A line and a band an arm over the number of tries; a panel a task where there are several."""
    shown = frame.drop_nulls("value")
    if shown.is_empty():
        return common.empty("No setting finished with a value to show.")
    log = _is_log(shown, spec)
    shown = shown.filter(pl.col("value") > 0) if log else shown
    shown = shown.with_columns(pl.when(pl.col("low") > 0).then("low").alias("low")) if log else shown
    pick = alt.selection_point(name="pick", fields=["color"], bind="legend")
    x = alt.X(
        "k:Q",
        title="settings tried",
        axis=alt.Axis(format=formatting.COUNT_FORMAT, tickMinStep=1),
        scale=alt.Scale(domain=[1, max(int(shown["k"].max()), 2)], nice=False),
    )
    heading = label(spec.metric) + (", log scale" if log else "")
    names = shown["panel"].unique(maintain_order=True).to_list()
    limits = common.around(shown["value"].min(), shown["value"].max(), log)  # of the lines; bands may leave the picture
    scale = common.y_scale(limits if len(names) == 1 else None, log)
    y = alt.Y("value:Q", title=heading, scale=scale, axis=common.value_axis(6, log))
    color = common.colors(shown, spec.color, theme, alt.Legend(orient="right"))
    tips = [
        alt.Tooltip("color:N", title=formatting.name(spec.color)),
        alt.Tooltip("k:Q", title="tries"),
        *(common.tip(name) for name in ("value", "low", "high")),
    ]
    layers, arms = [], shown["color"].n_unique()
    if shown["low"].null_count() < shown.height:
        layers.append(
            alt.Chart()
            .mark_area(clip=True)
            .encode(
                x=x,
                y=alt.Y("low:Q", title=heading, scale=scale),
                y2="high:Q",
                opacity=alt.condition(pick, alt.value(0.12 if arms <= FEW_ARMS else 0.05), alt.value(0.0)),
                **common.filled(color["color"]),
            )
        )
    fade = alt.condition(pick, alt.value(1), alt.value(0.08))
    layers.append(
        alt.Chart().mark_line(strokeWidth=1.6, clip=True).encode(x=x, y=y, opacity=fade, **color).add_params(pick)
    )
    layers.append(
        common.spoken(alt.Chart(), ["value", "low", "high"])
        .mark_point(filled=True, size=26, clip=True)
        .encode(x=x, y=y, opacity=fade, tooltip=tips, **common.filled(color["color"]))
    )
    held = common.held(shown.select("panel", "color", "k", "value", "low", "high"))
    picture = alt.layer(*layers, data=held).properties(width=WIDTH - 200, height=320)
    if len(names) == 1:
        return picture
    return picture.facet(alt.Facet("panel:N", sort=names, title=None), columns=1).resolve_scale(y="independent")


def _is_log(shown: pl.DataFrame, spec: Figure) -> bool:
    """As the study says; else for a loss of which the means differ much: what matters is near the best."""
    if "scale" in spec.model_fields_set:
        return spec.scale == "log"
    low, high = shown["value"].min(), shown["value"].max()
    return "loss" in spec.metric and low > 0 and high / low > MUCH


def caption(analysis: Analysis, frame: pl.DataFrame, spec: Figure) -> str:
    """What the curve is, what its band is, and what a diverged try counts as."""
    if frame.is_empty() or frame["value"].is_null().all():
        return ""
    said = (
        "Expected best of k settings drawn at random, with replacement, from those that were tried: a curve that "
        "falls or rises late belongs to a method that needs much tuning."
    )
    if frame["low"].null_count() < frame.height:
        said += " Bands: 95 %, from a bootstrap over settings and seeds."
    if (frame["none"] > 0).any():
        said += (
            f" A setting that {gone_words(analysis.run, analysis.metric.column)} with any seed counts as the "
            "worst that finished, which is kind to it."
        )
    if "decades" in frame.columns and frame["decades"].null_count() < frame.height:
        said += (
            f" Good rates give results within {100 * TOLERANCE:.0f} % of what the best one lacks, within its "
            "interval, or within 1 % of the way to the arm's median; ≥ where the range ends at a rate that was "
            "tried last."
        )
    if not comparable(chosen(analysis, spec), spec.metric):
        said += " Losses of different kinds cannot be compared: hold no curve against another."
    return said


def table(frame: pl.DataFrame) -> pl.DataFrame:
    """One row an arm: settings tried, what diverged, the expected best after 1, 3 and all tries, the good rates."""
    if frame.is_empty():
        return frame
    several = frame["panel"].n_unique() > 1
    rows, digits = [], formatting.digits_apart(frame["learning_rate"])
    for own in frame.partition_by("panel_place", "color_place", maintain_order=True):
        row = own.row(0, named=True)
        line = {"where": row["panel"]} if several else {}
        line |= {
            "arm": row["color"],
            "settings tried": formatting.count(row["tried"]),
            "diverged": f"{row['diverged'] / row['trials']:.0%}".replace("%", " %"),
        }
        after = dict(own.select("k", "value").iter_rows())
        line |= {f"expected best of {k}": formatting.number(after.get(k)) for k in SHOWN_TRIES}
        line |= {
            "of all": formatting.number(after.get(row["tried"])),
            "best rate": formatting.setting(row["learning_rate"], digits),
            "good rates": _range(row),
            "decades": _decades(row),
            "all defaults": _default(row),
        }
        rows.append(line)
    told = pl.DataFrame(rows)
    return told.select(name for name in told.columns if set(told[name]) != {formatting.MISSING})


def _range(row: dict[str, Any]) -> str:
    if row["decades"] is None:
        return formatting.MISSING
    low, high = (float(f"{row[name]:.2g}") for name in ("good_low", "good_high"))
    return f"{formatting.setting(low)} to {formatting.setting(high)}"


def _decades(row: dict[str, Any]) -> str:
    return formatting.MISSING if row["decades"] is None else f"{'≥ ' if row['cut'] else ''}{row['decades']:.1f}"


def _default(row: dict[str, Any]) -> str:
    """The value with all defaults; where there is none, why."""
    if row["defaults"] == TRIED:
        return formatting.number(row["defaults_value"])
    return {MISSING: "not tried", NO_DEFAULT: "no default rate"}.get(row["defaults"], formatting.MISSING)


def _fits(analysis: Analysis) -> bool:
    """Where several arms had a choice of settings, and more than one seed tells settings from luck."""
    if analysis.study.design != "cross" or analysis.metric.within or analysis.trials["seed"].n_unique() == 1:
        return False
    found = analysis.searches()
    return len(found) > 1 and min(search.tried for search in found) >= LEAST_TRIED


TUNING = FigureKind("tuning", "Expected best after so many tries", settle, data, draw, caption, _fits, table)
