"""Expected best result by search budget: one curve per arm, with a bootstrap band."""

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
from fallline.report.naming import digits_of, named
from fallline.report.sentences.missing import gone_words
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
"""The fewest settings of an arm for a curve to be informative."""

FEW_ARMS = 4
"""With more arms their bands overlap and are drawn faint."""

MUCH = 4
"""Losses that differ by a larger factor are drawn on a log scale."""

SHOWN_TRIES = (1, 3)
"""The search budgets in the table, besides that of all settings."""


def settle(analysis: Analysis, spec: Figure) -> Figure:
    """The metric that ranks; one curve per optimizer, or per value of the column that the study names as colour."""
    metric = spec.metric or analysis.metric.column
    metric = after_training(metric)
    if on_test(metric) and metric != analysis.metric.column:
        raise StudyError(
            f"the best of several settings is a selection, and selections are made on validation, got {metric} "
            f"({analysis.study.name}, figure {spec.kind}); write the validation metric"
        )
    title = spec.title or f"Expected best {label(metric)} by search budget"
    return spec.model_copy(update={"metric": metric, "color": spec.color or "optimizer", "title": title})


def data(analysis: Analysis, spec: Figure) -> pl.DataFrame:
    """The rows of ``stats.tuning.expected`` with the labels color and panel, and for each arm, in all its rows: trials,
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
    """One line with a band per arm over the search budget; one panel per task where there are several."""
    shown = frame.drop_nulls("value")
    if shown.is_empty():
        return common.empty("No setting finished with a value to show.")
    log = _is_log(shown, spec)
    shown = shown.filter(pl.col("value") > 0) if log else shown
    shown = shown.with_columns(pl.when(pl.col("low") > 0).then("low").alias("low")) if log else shown
    pick = alt.selection_point(name="pick", fields=["color"], bind="legend")
    x = alt.X(
        "k:Q",
        title="search budget (settings tried)",
        axis=alt.Axis(format=formatting.COUNT_FORMAT, tickMinStep=1),
        scale=alt.Scale(domain=[1, max(int(shown["k"].max()), 2)], nice=False),
    )
    heading = label(spec.metric) + (", log scale" if log else "")
    names = shown["panel"].unique(maintain_order=True).to_list()
    limits = common.around(shown["value"].min(), shown["value"].max(), log)  # of the lines; bands may be cut
    scale = common.y_scale(limits if len(names) == 1 else None, log)
    y = alt.Y("value:Q", title=heading, scale=scale, axis=common.value_axis(6, log))
    color = common.colors(shown, spec.color, theme, alt.Legend(orient="right"))
    tips = [
        alt.Tooltip("color:N", title=formatting.name(spec.color)),
        alt.Tooltip("k:Q", title="settings tried"),
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
    """As the study sets it; else logarithmic for a loss whose means differ by a factor of more than ``MUCH``."""
    if "scale" in spec.model_fields_set:
        return spec.scale == "log"
    low, high = shown["value"].min(), shown["value"].max()
    return "loss" in spec.metric and low > 0 and high / low > MUCH


def caption(analysis: Analysis, frame: pl.DataFrame, spec: Figure) -> str:
    """What the curve and its band are, and what a diverged setting counts as."""
    if frame.is_empty() or frame["value"].is_null().all():
        return ""
    text = (
        "Expected best of k settings drawn at random, with replacement, from those tried: a method whose curve "
        "improves late needs a large search budget."
    )
    if frame["low"].null_count() < frame.height:
        text += " Bands: 95 % CI (bootstrap over settings and seeds)."
    if (frame["none"] > 0).any():
        text += (
            f" A setting that {gone_words(analysis.run, analysis.metric.column)} with any seed counts as the "
            "worst that finished, which is optimistic for it."
        )
    if "decades" in frame.columns and frame["decades"].null_count() < frame.height:
        text += (
            f" Good learning rates: results within {100 * TOLERANCE:.0f} % of the best (of a share: of its distance to "
            "1), within its 95 % CI, or within 1 % of the way to the arm's median; ≥: the range reaches the edge of "
            "the learning rates tried."
        )
    if not comparable(chosen(analysis, spec), spec.metric):
        text += f" {common.not_comparable('curves')}"
    return text


def table(frame: pl.DataFrame) -> pl.DataFrame:
    """One row per arm: settings tried, share diverged, expected best of 1, 3 and all settings, good learning rates."""
    if frame.is_empty():
        return frame
    several = frame["panel"].n_unique() > 1
    rows, digits = [], formatting.digits_apart(frame["learning_rate"])
    for curve in frame.partition_by("panel_place", "color_place", maintain_order=True):
        row = curve.row(0, named=True)
        cells = {"where": row["panel"]} if several else {}
        cells |= {
            "arm": row["color"],
            "settings tried": formatting.count(row["tried"]),
            "diverged": f"{row['diverged'] / row['trials']:.0%}".replace("%", " %"),
        }
        after = dict(curve.select("k", "value").iter_rows())
        cells |= {f"expected best of {k}": formatting.number(after.get(k)) for k in SHOWN_TRIES}
        cells |= {
            "of all": formatting.number(after.get(row["tried"])),
            "best learning rate": formatting.setting(row["learning_rate"], digits),
            "good learning rates": _range(row),
            "decades": _decades(row),
            "all defaults": _default(row),
        }
        rows.append(cells)
    result = pl.DataFrame(rows)
    return result.select(name for name in result.columns if set(result[name]) != {formatting.MISSING})


def _range(row: dict[str, Any]) -> str:
    if row["decades"] is None:
        return formatting.MISSING
    low, high = (float(f"{row[name]:.2g}") for name in ("good_low", "good_high"))
    return f"{formatting.setting(low)} to {formatting.setting(high)}"


def _decades(row: dict[str, Any]) -> str:
    return formatting.MISSING if row["decades"] is None else f"{'≥ ' if row['cut'] else ''}{row['decades']:.1f}"


def _default(row: dict[str, Any]) -> str:
    """The value with all hyperparameters at their defaults, or why there is none."""
    if row["defaults"] == TRIED:
        return formatting.number(row["defaults_value"])
    return {MISSING: "not tried", NO_DEFAULT: "no default learning rate"}.get(row["defaults"], formatting.MISSING)


def _fits(analysis: Analysis) -> bool:
    """Where several arms had a choice of settings, and more than one seed shows the seed-to-seed variation."""
    if analysis.study.design != "cross" or analysis.metric.within or analysis.trials["seed"].n_unique() == 1:
        return False
    found = analysis.searches()
    return len(found) > 1 and min(search.tried for search in found) >= LEAST_TRIED


TUNING = FigureKind("tuning", "Expected best by search budget", settle, data, draw, caption, _fits, table)
