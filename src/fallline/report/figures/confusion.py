"""Which classes are taken for which: the confusion matrix of the best configuration, and a row a class under it."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from fallline.metrics.per_class import per_class
from fallline.report import formatting
from fallline.report import vega as alt
from fallline.report.figures import draw as common
from fallline.report.figures.choose import chosen, labelled
from fallline.report.figures.kind import FigureKind
from fallline.report.style import INK, PALETTE, Theme
from fallline.stats.analysis import Analysis
from fallline.stats.columns import finished
from fallline.stats.confusion import matrix_of
from fallline.study import Figure

MOST_PANELS, MOST_NUMBERED = 6, 20
"""Matrices side by side, and classes whose cells have room for a number."""


def settle(analysis: Analysis, spec: Figure) -> Figure:
    split = analysis.predicted_split or "test"
    return spec.model_copy(update={"metric": split, "title": spec.title or f"Classes taken for others, {split} split"})


def data(analysis: Analysis, spec: Figure) -> pl.DataFrame:
    """A row a (panel, seed, true class, given class): count, the places of both classes, the configuration in words.

    One panel, the best configuration among those ``where`` keeps; with ``panel`` the best of each of its values.
    """
    trials = chosen(analysis, spec).filter(finished())
    held = analysis.predictions.filter(pl.col("split") == spec.metric).select("trial").collect()
    trials = trials.join(held, on="trial", how="semi", maintain_order="left")
    if trials.is_empty():
        return pl.DataFrame(schema={"count": pl.Int64})
    lines = labelled(analysis, trials, spec).join(analysis.summary.select("configuration", "rank"), on="configuration")
    best = lines.sort("rank").unique("panel", keep="first", maintain_order=True).head(MOST_PANELS)
    shown = trials.join(best, on="configuration").rename({"trial": "name", "trial_right": "trial"}, strict=False)
    found = analysis.confusions(shown.select("task", "data", trial="name"), spec.metric)
    keys = shown.select("seed", "panel", "panel_place", "configuration", "trial", name="name")
    found = found.rename({"trial": "name"}).join(keys, on="name").drop("name")
    return found.sort("panel_place", "seed", "true_place", "given_place")


def table(frame: pl.DataFrame) -> pl.DataFrame:
    """One row a class: examples, precision, recall and F1, mean over seeds and standard deviation."""
    if frame.is_empty():
        return frame
    found = []
    for (panel,), rows in frame.group_by("panel", maintain_order=True):
        matrices = [matrix_of(own) for _, own in rows.group_by("seed", maintain_order=True)]
        scores = [per_class(matrix) for matrix in matrices]
        names = dict(rows.select("true_place", "true").unique().iter_rows())
        for place in range(len(matrices[0])):
            said = {"panel": panel} if panel else {}
            said |= {"class": names[place], "examples": formatting.count(int(matrices[0][place].sum()))}
            for heading, name in (("precision", "precision"), ("recall", "recall"), ("F1", "f1")):
                said[heading] = _spread([float(getattr(one, name)[place]) for one in scores])
            found.append(said)
    return pl.DataFrame(found)


def _spread(values: list[float]) -> str:
    known = [value for value in values if value == value]
    if not known:
        return formatting.MISSING
    mean = formatting.number(float(np.mean(known)))
    return f"{mean} (sd {formatting.number(float(np.std(known, ddof=1)), 2)})" if len(known) > 1 else mean


def draw(frame: pl.DataFrame, spec: Figure, theme: Theme) -> Any:
    """A square a pair of classes: what was recognised in blue, what was mistaken in red, deeper for a larger share."""
    if frame.is_empty():
        return common.empty("No predictions were kept that this figure could show.")
    pictures = []
    for (panel,), rows in frame.group_by("panel", maintain_order=True):
        pictures.append(_matrix(_summed(rows), panel, frame["panel"].n_unique() > 1))
    return pictures[0] if len(pictures) == 1 else alt.concat(*pictures, columns=2).properties(spacing=44)


def _summed(rows: pl.DataFrame) -> pl.DataFrame:
    """Counts over seeds, and each as a share of the true class."""
    keys = ["true", "given", "true_place", "given_place"]
    cells = rows.group_by(keys, maintain_order=True).agg(pl.col("count").sum())
    return cells.with_columns(share=pl.col("count") / pl.col("count").sum().over("true_place")).fill_nan(0.0)


def _matrix(cells: pl.DataFrame, title: str, small: bool) -> Any:
    order = cells.unique("true_place").sort("true_place")["true"].to_list()
    numbered = len(order) <= MOST_NUMBERED
    side = max(9, min(46, (430 if small else 620) // len(order)))
    slanted = max(map(len, order)) > 5
    plain = {"domain": False, "ticks": False, "grid": False, "labelLimit": 120, "labelOverlap": not numbered}
    x = alt.X(
        "given:N",
        sort=order,
        title="predicted class",
        scale=alt.Scale(domain=order),
        axis=alt.Axis(**plain, labelAngle=-40 if slanted else 0),
    )
    y = alt.Y("true:N", sort=order, title="true class", scale=alt.Scale(domain=order), axis=alt.Axis(**plain))
    wrong = cells.filter(pl.col("true_place") != pl.col("given_place"))
    worst = wrong["share"].max() or 1.0
    cells = cells.with_columns(
        hit=pl.col("true_place") == pl.col("given_place"),
        share_said=pl.format("{} %", (100 * pl.col("share")).round(2)),
        count_said=pl.col("count").map_elements(formatting.count, return_dtype=pl.String),
    ).with_columns(deep=pl.when("hit").then(pl.col("share") > 0.5).otherwise(pl.col("share") > 0.5 * worst))
    tips = [
        alt.Tooltip("true:N", title="true"),
        alt.Tooltip("given:N", title="predicted"),
        alt.Tooltip("count_said:N", title="examples"),
        alt.Tooltip("share_said:N", title="of the class"),
    ]
    base = alt.Chart(common.held(cells.filter((pl.col("count") > 0) | pl.col("hit")).drop("true_place", "given_place")))
    layers = [
        base.transform_filter("datum.hit")
        .mark_rect()
        .encode(x=x, y=y, tooltip=tips, color=_shade("share", 1.0, PALETTE[1].light, "recognised", not numbered)),
        base.transform_filter("!datum.hit")
        .mark_rect()
        .encode(
            x=x, y=y, tooltip=tips, fill=_shade("share", worst, INK["alarm"][0], "mistaken", not numbered, alt.Fill)
        ),
    ]
    if numbered:
        ink = alt.condition("datum.deep", alt.value(INK["paper"][0]), alt.value(INK["text"][0]))
        layers.append(base.mark_text(fontSize=11 if side > 30 else 9).encode(x=x, y=y, text="count_said:N", color=ink))
    picture = alt.layer(*layers, title=title) if title else alt.layer(*layers)
    return picture.resolve_scale(color="independent", fill="independent").properties(
        width=side * len(order), height=side * len(order)
    )


def _shade(field: str, most: float, color: str, title: str, legend: bool, kind: Any = alt.Color) -> Any:
    """A colour from paper on; the root of the share, so that a few mistakes can be seen."""
    scale = alt.Scale(type="sqrt", domain=[0, most], range=[INK["paper"][0], color], interpolate="rgb")
    shown = alt.Legend(title=f"share {title}", format=".0%" if most > 0.05 else ".1%") if legend else None
    return kind(f"{field}:Q", scale=scale, legend=shown)


def caption(analysis: Analysis, frame: pl.DataFrame, spec: Figure) -> str:
    """Whose matrix it is, over which examples, and what the colours mean."""
    if frame.is_empty():
        return ""
    seeds = frame["seed"].n_unique()
    panels = frame["panel"].n_unique()
    who = frame["trial"][0] if panels == 1 else f"the best configuration of each {formatting.name(spec.panel or '')}"
    first = frame.filter(pl.col("panel") == frame["panel"][0], pl.col("seed") == frame["seed"][0])
    examples = int(first["count"].sum())
    said = [
        f"{who[:1].upper()}{who[1:]}; {formatting.count(examples)} examples of the {spec.metric} split"
        + ("." if seeds == 1 else f", counts summed over {formatting.plural(seeds, 'seed')}."),
        "A row is a true class, a column the class it was taken for. Blue: recognised; red: mistaken, deeper for a "
        "larger share of the row.",
    ]
    if spec.metric == "test" and not spec.where:
        said.append(f"Chosen by {analysis.metric.label}.")
    if seeds > 1:
        said.append("In the table: mean over seeds and, as sd, the standard deviation.")
    return " ".join(said)


def _fits(analysis: Analysis) -> bool:
    return analysis.predicted_split is not None


CONFUSION = FigureKind("confusion", "Classes taken for others", settle, data, draw, caption, _fits, table)
