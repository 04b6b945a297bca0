"""The line fit seen from above: the path of (W, b) over the contours of its loss."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import polars as pl

from fallline.report import words
from fallline.report.kinds import draw as common
from fallline.report.kinds.choose import chosen, labelled, told_apart
from fallline.report.kinds.kind import FigureKind
from fallline.report.kinds.thin import thinned
from fallline.report.style import INK, PALETTE, WIDTH, Look
from fallline.stats import summary
from fallline.store import Run
from fallline.study import Figure
from fallline.tasks import find_task

BEST_LINES, POINTS, MOST_POINTS = 8, 4000, 240


def settle(run: Run, spec: Figure) -> Figure:
    """A path a rate, a panel an optimizer."""
    title = spec.title or "The path of W and b over the contours of the loss"
    return spec.model_copy(update={"metric": "train_loss", "title": title, **told_apart(run, spec)})


def data(run: Run, spec: Figure) -> pl.DataFrame:
    """Rows of three sorts: ``what`` = "path" (panel, color, trial, step, W, b, value), "contour" (level, W, b, step:
    the place along the line) and "lowest" (W, b). The contours are those of the sum of squares on the task's training
    data."""
    trials = chosen(run, spec)
    trials = trials.filter(pl.col("seed") == trials["seed"].min()) if trials.height else trials
    lines = (
        labelled(run, trials, spec)
        .join(summary(run).select("configuration", "rank", diverged=pl.col("diverged") > 0), on="configuration")
        .sort("rank")
    )
    lines = lines.with_columns(place=pl.int_range(pl.len()).over("panel"), of=pl.len().over("panel"))
    lines = lines.filter(pl.col("place") < (len(PALETTE) if spec.color == "optimizer" else BEST_LINES))
    kept = trials.select("trial", "configuration").join(lines.select("configuration"), on="configuration")
    points = run.curves.select(
        "trial", "step", pl.col("W", "b").cast(pl.Float64), value=pl.col("train_loss").cast(pl.Float64)
    )
    points = points.filter((pl.col("step") <= spec.steps) if spec.steps else pl.lit(True))
    points = points.join(kept.lazy(), on="trial").drop("trial")
    half = max(30, min(MOST_POINTS, POINTS // max(1, lines.height)) // 2)
    early = points.filter(pl.col("step") <= half)
    late = thinned(points.filter(pl.col("step") > half), half).lazy()
    paths = pl.concat([early, late.drop("recorded")], how="diagonal").collect().join(lines, on="configuration")
    last = (pl.col("step") == pl.col("step").max()).over("configuration")
    paths = paths.with_columns(end=pl.col("diverged") & last, what=pl.lit("path"))
    split = find_task(run.study.task).data("sample", None).train
    rings = contours(np.asarray(split.inputs, float), np.asarray(split.targets, float), paths)
    return pl.concat([rings, paths.sort("panel_place", "color_place", "configuration", "step")], how="diagonal_relaxed")


def contours(x: np.ndarray, y: np.ndarray, paths: pl.DataFrame) -> pl.DataFrame:
    """Level lines of sum((W x + b - y)^2): a quadratic, so each is an ellipse, exact.

    With H = [[sum x^2, sum x], [sum x, n]] and c the least squares solution the loss is L(c) + (p - c)^T H (p - c); its
    level L is c + sqrt(L - L(c)) H^(-1/2) u over all unit vectors u.
    """
    design = np.stack([x.ravel(), np.ones(x.size)], axis=1)
    center, *_ = np.linalg.lstsq(design, y.ravel(), rcond=None)
    lowest = float(((design @ center - y.ravel()) ** 2).sum())
    values, vectors = np.linalg.eigh(design.T @ design)
    root = vectors @ np.diag(values**-0.5) @ vectors.T
    angle = np.linspace(0, 2 * np.pi, 241)
    circle = np.stack([np.cos(angle), np.sin(angle)])
    start = float(paths.filter(pl.col("step") == 0)["value"].max() or 10.0)
    found = []
    for power in range(-3, 3):
        for factor in (1, 10**0.5):
            level = start * factor * 10.0**power
            ring = center[:, None] + np.sqrt(level - min(lowest, level)) * (root @ circle)
            found.append(
                pl.DataFrame(
                    {
                        "what": ["contour"] * angle.size,
                        "level": [level] * angle.size,
                        "W": ring[0],
                        "b": ring[1],
                        "step": np.arange(angle.size),
                    }
                )
            )
    bottom = pl.DataFrame({"what": ["lowest"], "level": [lowest], "W": [center[0]], "b": [center[1]], "step": [0]})
    return pl.concat([*found, bottom])


def draw(frame: pl.DataFrame, spec: Figure, look: Look) -> Any:
    """Ellipses in grey, paths in colour, the start as a ring, the lowest point as a plus."""
    paths, rings = frame.filter(pl.col("what") == "path"), frame.filter(pl.col("what") == "contour")
    if paths.is_empty():
        return common.empty("No curve of W and b was recorded.")
    names = paths.unique("panel_place").sort("panel_place")["panel"].to_list()
    many = len(names) > 1
    start = paths.filter(pl.col("step") == 0)["value"].max()
    inside = paths.filter(pl.col("value") <= 1.001 * start)
    out = (pl.col("value") > 1.001 * start).cast(pl.Int32).cum_sum().over("configuration", order_by="step")
    paths = paths.filter(out <= 1, pl.col("value") <= 1e4 * start)
    center = frame.filter(pl.col("what") == "lowest").select("W", "b").row(0)
    limits = [_limits(inside[name], center[place]) for place, name in enumerate(("W", "b"))]
    x, y = (
        alt.X("W:Q", title="W", scale=alt.Scale(domain=limits[0], nice=False), axis=common.value_axis()),
        alt.Y("b:Q", title="b", scale=alt.Scale(domain=limits[1], nice=False), axis=common.value_axis()),
    )
    color = common.colors(
        paths, spec.color, look, alt.Legend(orient="top" if many else "right", columns=9 if many else 1)
    )
    pick = alt.selection_point(name="pick", fields=["color"], bind="legend")
    hover = alt.selection_point(name="hover", on="pointermove", nearest=True, clear="pointerout", empty=False)
    faded = alt.condition(pick, alt.value(1), alt.value(0.07))
    path, ring = (
        alt.Chart().transform_filter("datum.what == 'path'"),
        alt.Chart().transform_filter("datum.what == 'contour'"),
    )
    tips = [
        alt.Tooltip("trial:N"),
        alt.Tooltip("step:Q", format=words.COUNT_FORMAT),
        common.tip("W"),
        common.tip("b"),
        common.tip("value", "loss"),
    ]
    layers = [
        ring.mark_line(strokeWidth=0.8, color=INK["faint"][0]).encode(x=x, y=y, detail="line:N", order="step:Q"),
        path.mark_line(clip=True, strokeWidth=1.5)
        .encode(x=x, y=y, detail="line:N", order="step:Q", opacity=faded, **color)
        .add_params(pick),
        path.transform_filter("datum.step == 0")
        .mark_point(size=60, color=INK["text"][0], strokeWidth=1.4, filled=False)
        .encode(x=x, y=y),
        alt.Chart()
        .transform_filter("datum.what == 'lowest'")
        .mark_point(shape="cross", size=55, filled=True, opacity=1, color=INK["text"][0])
        .encode(x=x, y=y),
        common.spoken(path, ["W", "b", "value"])
        .mark_circle(clip=True, size=60)
        .encode(
            x=x,
            y=y,
            tooltip=tips,
            opacity=alt.condition(hover, alt.value(1), alt.value(0)),
            **common.filled(color["color"]),
        )
        .add_params(hover)
        .properties(name="hover_dots"),
    ]
    shown = paths.select(
        "what", "panel", "color", "trial", pl.col("configuration").alias("line"), "step", "W", "b", "value"
    )
    grid = _inside(rings, limits)
    middle = pl.DataFrame({"what": ["lowest"], "W": [center[0]], "b": [center[1]]})
    panels = pl.DataFrame({"panel": names})
    shown = pl.concat([grid.join(panels, how="cross"), shown, middle.join(panels, how="cross")], how="diagonal_relaxed")
    base = alt.layer(*layers).properties(width=300 if many else 620, height=240 if many else 460)
    if not many:
        return common.with_rows(base, shown).properties(data=common.ROWS)
    base = base.properties(width=(WIDTH - 60 - 72) // 3, height=230)
    grid = base.facet(alt.Facet("panel:N", sort=names, title=None), columns=3, data=common.ROWS)
    grid = common.with_rows(grid, shown).properties(spacing={"row": 44, "column": 36})
    return grid.resolve_axis(x="independent") if len(names) % 3 else grid


def _inside(rings: pl.DataFrame, limits: list[list[float]]) -> pl.DataFrame:
    """The pieces of the contours inside the limits; clipping them instead takes a picture half a minute."""
    seen = pl.all_horizontal(pl.col(name).is_between(*ends) for name, ends in zip(("W", "b"), limits, strict=True))
    pieces = rings.sort("level", "step").with_columns(seen=seen)
    pieces = pieces.with_columns(line=pl.struct("level", "seen").rle_id() + 1_000_000)
    return pieces.filter("seen").select("what", "level", "W", "b", "step", "line")


def _limits(values: pl.Series, center: float) -> list[float]:
    low, high = min(values.min(), center), max(values.max(), center)
    margin = 0.12 * (high - low or 1.0)
    return [low - margin, high + margin]


def caption(run: Run, frame: pl.DataFrame, spec: Figure) -> str:
    """What the signs mean."""
    paths = frame.filter(pl.col("what") == "path")
    if paths.is_empty():
        return ""
    drawn, of = paths["configuration"].n_unique(), int(paths.unique("panel")["of"].sum())
    said = ["Ring: the start. Cross: the lowest loss. Grey: contours of the loss, each √10 times the next."]
    if drawn < of:
        said.append(f"The best, {words.count(drawn)} of {words.plural(of, 'configuration')}.")
    if (paths["value"] > 1.001 * paths.filter(pl.col("step") == 0)["value"].max()).any():
        said.append("A path that leaves the contour of the start ends there.")
    return " ".join(said)


def _fits(run: Run) -> bool:
    return run.study.task == "line" and {"W", "b"} <= set(run.curves.collect_schema().names())


PATH = FigureKind("path", "Path over the contours", settle, data, draw, caption, _fits)
