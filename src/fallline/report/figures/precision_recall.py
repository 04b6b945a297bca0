"""Macro precision against macro recall, a dot a configuration: what weighing the losses trades for what."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from fallline.contracts import MetricName
from fallline.report import formatting
from fallline.report import vega as alt
from fallline.report.figures import draw as common
from fallline.report.figures.choose import chosen, labelled
from fallline.report.figures.kind import FigureKind
from fallline.report.style import INK, WIDTH, Theme
from fallline.stats.analysis import Analysis
from fallline.stats.columns import finished, loss_hyperparameters, metric_columns
from fallline.stats.metric import kind_column, loss_kinds
from fallline.study import Figure

MOST_DOTS = 150


def settle(analysis: Analysis, spec: Figure) -> Figure:
    """Coloured by the loss's number that varies where every loss takes it, else by the kind of loss."""
    number = _varied(analysis)
    shared = number is not None and chosen(analysis, spec)[number].null_count() == 0
    color = spec.color or (number if shared else kind_column(analysis.trials))
    split = _split(analysis) or "validation"
    title = spec.title or f"Macro precision against macro recall, {split} split"
    return spec.model_copy(update={"metric": split, "color": color, "title": title})


def _split(analysis: Analysis) -> str | None:
    """Validation where it was recorded: many configurations are compared here."""
    recorded = set(metric_columns(analysis.trials))
    return next((split for split in ("validation", "test") if set(_names(split).values()) <= recorded), None)


def _names(split: str) -> dict[str, str]:
    """The columns of the trials that hold macro precision and recall."""
    return {what: str(MetricName(f"macro_{what}", split)) for what in ("precision", "recall")}


def _varied(analysis: Analysis) -> str | None:
    """The losses' number that varies, the one most trials take: the weight that is traded with."""
    names = [name for name in analysis.varying if name in loss_hyperparameters(analysis.trials)]
    return min(names, key=lambda name: analysis.trials[name].null_count(), default=None)


def data(analysis: Analysis, spec: Figure) -> pl.DataFrame:
    """A row a configuration: precision and recall (means over seeds), their least and greatest, f1, seeds, color,
    weight (the losses' number that varies) and line (configurations that differ in it alone share its number), of
    (configurations there were)."""
    trials = chosen(analysis, spec).filter(finished())
    names = {what: f"{spec.metric}_macro_{what}" for what in ("precision", "recall", "f1")}
    if trials.is_empty() or not {names["precision"], names["recall"]} <= set(trials.columns):
        return pl.DataFrame(schema={"precision": pl.Float64, "recall": pl.Float64})
    held = {what: name for what, name in names.items() if name in trials.columns}
    means = trials.group_by("configuration").agg(
        *(pl.col(name).mean().alias(what) for what, name in held.items()),
        *(pl.col(name).min().alias(f"{what}_low") for what, name in held.items()),
        *(pl.col(name).max().alias(f"{what}_high") for what, name in held.items()),
        seeds=pl.len(),
    )
    ranks = analysis.summary.select("configuration", "rank")
    rows = labelled(analysis, trials, spec).join(means, on="configuration").join(ranks, on="configuration")
    rows = rows.drop_nulls(["precision", "recall"]).sort("rank").with_columns(of=pl.len()).head(MOST_DOTS)
    number = _varied(analysis)
    one = trials.unique("configuration").drop_nulls([number] if number else [])
    others = [pl.col(name).cast(pl.String).fill_null("") for name in analysis.varying if name != number]
    apart = one.select(
        "configuration",
        weight=pl.col(number) if number else pl.lit(None, pl.Float64),
        line=pl.concat_str([*others, pl.lit("")], separator="|").rank("dense"),
    )
    apart = apart.filter(pl.len().over("line") > 1)
    return (
        rows.join(apart, on="configuration", how="left")
        .sort("color_place", "rank")
        .with_columns(number=pl.lit(number if apart.height else None, pl.String))
    )


def draw(frame: pl.DataFrame, spec: Figure, theme: Theme) -> Any:
    """Dots with their spread over seeds; those that differ in the colour alone are joined; grey: equal F1."""
    if frame.is_empty():
        return common.empty("No precision and recall were recorded.")
    ends = {what: _ends(frame, what) for what in ("recall", "precision")}
    x, y = (alt.X if what == "recall" else alt.Y for what in ends)
    x = alt.X(
        "recall:Q",
        title="macro recall",
        scale=alt.Scale(domain=ends["recall"], nice=False, zero=False),
        axis=common.value_axis(8),
    )
    y = alt.Y(
        "precision:Q",
        title="macro precision",
        axis=common.value_axis(6),
        scale=alt.Scale(domain=ends["precision"], nice=False, zero=False),
    )
    many = frame["color"].n_unique() > 1
    color = common.colors(frame, spec.color if many else None, theme, alt.Legend(orient="right", labelLimit=320))[
        "color"
    ]
    pick = alt.selection_point(name="pick", fields=["color"], bind="legend")
    faded = alt.condition(pick, alt.value(1), alt.value(0.1))
    names = ["recall", "precision", *(["f1"] if "f1" in frame.columns else [])]
    tips = [
        alt.Tooltip("trial:N"),
        *(common.tip(name, name.replace("f1", "F1")) for name in names),
        alt.Tooltip("seeds:Q"),
    ]
    shown = [
        name for name in frame.columns if name not in ("panel", "panel_place", "configuration", "of", "rank", "number")
    ]
    base = common.spoken(alt.Chart(common.held(frame.select(shown))), names)
    rings = alt.Chart(common.held(_equal_f1(ends)))
    layers = [
        base.mark_point(filled=True, size=70, opacity=1)
        .encode(x=x, y=y, color=color, opacity=faded, tooltip=tips)
        .add_params(pick),
        rings.mark_line(color=INK["faint"][0], strokeWidth=0.8).encode(x=x, y=y, detail="level:N"),
        rings.transform_filter("datum.end").mark_text(align="right", dy=-6, dx=-3).encode(x=x, y=y, text="said:N"),
    ]
    joined = frame.drop_nulls("line")
    if joined.height:
        chart = alt.Chart(common.held(joined.select("line", "weight", "recall", "precision")))
        layers.append(
            chart.mark_line(color=INK["muted"][0], strokeWidth=1, opacity=0.7).encode(
                x=x, y=y, detail="line:N", order="weight:Q"
            )
        )
    if frame["seeds"].max() > 1:
        layers += [
            base.mark_rule(strokeWidth=1, opacity=0.5).encode(x="recall_low:Q", x2="recall_high:Q", y=y, color=color),
            base.mark_rule(strokeWidth=1, opacity=0.5).encode(
                y="precision_low:Q", y2="precision_high:Q", x=x, color=color
            ),
        ]
    return alt.layer(*layers).properties(width=WIDTH - 360, height=400)


def _ends(frame: pl.DataFrame, what: str) -> list[float]:
    low, high = frame[f"{what}_low"].min(), frame[f"{what}_high"].max()
    margin = 0.12 * (high - low) or 0.02
    return [max(0.0, low - margin), min(1.0, high + margin)]


def _equal_f1(ends: dict[str, list[float]]) -> pl.DataFrame:
    """Curves of equal harmonic mean inside the picture: precision = F r / (2 r - F)."""
    low, high = (2 * r * p / (r + p) if r + p else 0.0 for r, p in zip(ends["recall"], ends["precision"], strict=True))
    step = 10.0 ** np.floor(np.log10(max(high - low, 1e-6)))
    step /= 1 if high - low >= 3 * step else 2 if high - low >= 1.5 * step else 4
    recall = np.linspace(*ends["recall"], 121)
    found = []
    for level in np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step:
        with np.errstate(divide="ignore", invalid="ignore"):
            precision = level * recall / (2 * recall - level)
        inside = (2 * recall > level) & (precision >= ends["precision"][0]) & (precision <= ends["precision"][1])
        if inside.sum() > 1:
            r, p = recall[inside], precision[inside]
            end = np.arange(r.size) == r.size - 1
            found.append(
                pl.DataFrame(
                    {
                        "level": [float(level)] * r.size,
                        "recall": r,
                        "precision": p,
                        "end": end,
                        "said": [f"F1 {formatting.setting(round(float(level), 6))}"] * r.size,
                    }
                )
            )
    return (
        pl.concat(found)
        if found
        else pl.DataFrame(
            {
                "level": [0.0],
                "recall": [ends["recall"][0]],
                "end": [False],
                "precision": [ends["precision"][0]],
                "said": [""],
            }
        )
    )


def caption(analysis: Analysis, frame: pl.DataFrame, spec: Figure) -> str:
    if frame.is_empty():
        return ""
    seeds = int(frame["seeds"].max())
    said = [
        "Means over all classes, each class counting the same: recall asks how much of a class was found, precision "
        "how much of what was called so is."
    ]
    said.append(
        "One seed."
        if seeds == 1
        else f"Mean over {formatting.plural(seeds, 'seed')}; whiskers from the least to the greatest."
    )
    if frame["number"][0]:
        said.append(f"Joined: configurations that differ in {formatting.name(frame['number'][0])} alone.")
    said.append("Grey: where the harmonic mean of the two is the same.")
    if frame["of"][0] > frame.height:
        said.append(
            f"The best {formatting.count(frame.height)} of {formatting.plural(int(frame['of'][0]), 'configuration')}."
        )
    return " ".join(said)


def _fits(analysis: Analysis) -> bool:
    return _split(analysis) is not None and len(loss_kinds(analysis.trials)) > 1


PRECISION_RECALL = FigureKind("precision_recall", "Precision against recall", settle, data, draw, caption, _fits)
