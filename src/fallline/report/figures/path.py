"""Training seen from above: the paths of two watched scalars over the contours of the loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from fallline.contracts import MetricName
from fallline.errors import StudyError, UnknownName
from fallline.report import formatting
from fallline.report.figures.choose import chosen, labelled, told_apart
from fallline.report.figures.contours import contour_levels, ellipse, level_lines, lowest_point
from fallline.report.figures.kind import FigureKind
from fallline.report.figures.landscape import NotKnown, landscape
from fallline.report.figures.path_picture import column, draw, last_step
from fallline.report.figures.thin import thinned
from fallline.report.style import PALETTE
from fallline.stats.analysis import Analysis
from fallline.study import Figure
from fallline.tasks.line import LINE

BEST_LINES, POINTS, MOST_POINTS = 8, 4000, 240
GRID = 60
"""Points of the grid to a side on which a loss is taken."""

DARKER = "the stronger the lower"


def settle(analysis: Analysis, spec: Figure) -> Figure:
    """The two scalars, those the study names or the first two watched; one task; a path a rate."""
    task, names = _task_and_names(analysis, spec)
    title = spec.title or f"The path of {' and '.join(names or ['two weights'])} over the contours of the loss"
    where = spec.where | ({"task": task} if task else {})
    spec = spec.model_copy(update={"metric": "train_loss", "title": title, "of": names, "where": where})
    return spec.model_copy(update=told_apart(analysis, spec)) if names else spec


def _task_and_names(analysis: Analysis, spec: Figure) -> tuple[str, list[str]]:
    """The first task of the trials shown that recorded the two scalars; empty where none did."""
    trials, known, wanted = chosen(analysis, spec), watched(analysis), list(getattr(spec, "of", None) or [])
    for name in wanted:
        if name not in known:
            raise UnknownName("watched scalar", name, known, f"figure {spec.title or spec.kind}")
    if len(wanted) not in (0, 2):
        raise StudyError(
            f"a path is that of two watched scalars, got {', '.join(wanted)} "
            f'(figure {spec.title or spec.kind}); write of = ["NAME", "NAME"]'
        )
    if len(known) < 2 or trials.is_empty():
        return "", []
    starts = analysis.curves.filter(pl.col("step") == 0).select("trial", *known).collect()
    starts = starts.join(trials.select("trial", "task"), on="trial")
    for task in trials["task"].unique(maintain_order=True):
        own = starts.filter(pl.col("task") == task)
        recorded = [name for name in known if own[name].null_count() < own.height]
        names = wanted or recorded[:2]
        if len(names) == 2 and set(names) <= set(recorded):
            return task, names
    return "", []


def watched(analysis: Analysis) -> list[str]:
    """The scalars that were recorded beside the metrics, in the order the model names them."""
    schema = analysis.curve_schema
    return [
        name
        for name, kind in schema.items()
        if kind.is_numeric() and name != "step" and not MetricName.parse(name).split
    ]


def data(analysis: Analysis, spec: Figure) -> pl.DataFrame:
    """Rows of five sorts: ``what`` = "path" (panel, color, trial, step, the two scalars, value), "contour" (level, the
    scalars, step: the place along the line), "lowest" (the scalars), "corner" (the two corners of the picture) and
    "note" (on what the contours are). Contours without a panel are the same in all."""
    names = spec.of  # type: ignore[attr-defined]
    if not names:
        return pl.DataFrame(schema={"what": pl.String, "note": pl.String})
    trials = chosen(analysis, spec)
    trials = trials.filter(pl.col("seed") == trials["seed"].min())
    paths = _paths(analysis, trials, spec, names)
    if paths.is_empty():
        return pl.DataFrame(schema={"what": pl.String, "note": pl.String})
    rings = _contours(analysis, trials, paths, names)
    paths = paths.sort("panel_place", "color_place", "configuration", "step")
    frame = pl.concat([*rings, paths], how="diagonal_relaxed")
    return frame.rename({axis: column(name) for axis, name in zip("xy", names, strict=True)})


def _paths(analysis: Analysis, trials: pl.DataFrame, spec: Figure, names: Sequence[str]) -> pl.DataFrame:
    """The points of the paths: x, y, value; ``inside`` where the loss is one that the picture shows, ``out`` counts how
    often it was not."""
    lines = (
        labelled(analysis, trials, spec)
        .join(analysis.summary.select("configuration", "rank", diverged=pl.col("diverged") > 0), on="configuration")
        .sort("rank")
    )
    lines = lines.with_columns(place=pl.int_range(pl.len()).over("panel"), of=pl.len().over("panel"))
    lines = lines.filter(pl.col("place") < (len(PALETTE) if spec.color == "optimizer" else BEST_LINES))
    kept = trials.select("trial", "configuration").join(lines.select("configuration"), on="configuration")
    x, y, value = (pl.col(name).cast(pl.Float64) for name in (*names, "train_loss"))
    points = analysis.curves_of(kept).select("configuration", "step", x=x, y=y, value=value)
    points = points.filter((pl.col("step") <= spec.steps) if spec.steps else pl.lit(True))
    half = max(30, min(MOST_POINTS, POINTS // max(1, lines.height)) // 2)
    every = analysis.study.record_every
    early = points.filter(pl.col("step") <= half * every)
    late = thinned(points.filter(pl.col("step") > half * every), half).lazy()
    paths = pl.concat([early, late.drop("recorded")], how="diagonal").collect().join(lines, on="configuration")
    last = (pl.col("step") == pl.col("step").max()).over("configuration")
    start = paths.filter(pl.col("step") == 0)["value"].max() or 0.0
    whole = trials["batch_size"].null_count() == trials.height
    ceiling = start + 0.001 * abs(start) if whole else start + 9 * abs(start)
    inside = pl.col("value") <= ceiling
    out = (~inside).cast(pl.Int32).cum_sum().over("configuration", order_by="step")
    return paths.with_columns(what=pl.lit("path"), end=pl.col("diverged") & last, inside=inside, out=out)


def _contours(analysis: Analysis, trials: pl.DataFrame, paths: pl.DataFrame, names: list[str]) -> list[pl.DataFrame]:
    """The frames of contours, lowest points, corners and notes."""
    shown = paths.filter("inside")
    name = trials["task"][0]
    if name == LINE.name and name not in analysis.study.networks and names == ["W", "b"]:
        split = LINE.data("sample", None).train  # this task alone: all of them together bring JAX
        start = float(paths.filter(pl.col("step") == 0)["value"].max() or 10.0)
        rings = ellipses(np.asarray(split.inputs, float), np.asarray(split.targets, float), start)
        corners = _corners(shown, rings.filter(pl.col("what") == "lowest"), 0.12)
        return [rings, corners, _note(f"Grey: contours of the loss, each √10 times the next; {DARKER}.")]
    corners = _corners(shown, None, 0.2)
    found, said = [], {}
    for held, panels in _held(analysis, paths, trials).items():
        trial = trials.filter(pl.col("trial") == held).row(0, named=True)
        try:
            rings, text, apart, fixed = _grid(analysis, trial, names, corners)
        except NotKnown as missing:
            return [corners, _note(f"No contours: {missing}.")]
        if not fixed:  # the picture is the same in every panel
            return [rings, corners, _note(f"{text}{apart}; {DARKER}.")]
        label = paths.filter(pl.col("configuration") == trial["configuration"])["trial"][0]
        said[label] = f"{text}{apart if len(panels) == paths['panel'].n_unique() else ''}; {DARKER}."
        found += [rings.with_columns(panel=pl.lit(panel)) for panel in panels]
    if not said:
        return [corners, _note("No contours: none of these trials came to its end.")]
    which = next(iter(said)) if len(said) == 1 else "the best trial of the panel"
    held_there = f" The other weights are held where {which} left them."
    return [*found, corners, _note(next(iter(said.values())) + held_there)]


def _held(analysis: Analysis, paths: pl.DataFrame, trials: pl.DataFrame) -> dict[str, list[str]]:
    """By the trial whose other weights are held, the best of a panel that came to its end, the panels it serves."""
    done = trials.filter(pl.col("status") == "done").select("configuration", name="trial")
    best = paths.unique("configuration").join(done, on="configuration").sort("rank")
    best = best.unique("panel", keep="first", maintain_order=True)
    served: dict[str, list[str]] = {}
    for trial, panel in best.select("name", "panel").iter_rows():
        served.setdefault(trial, []).append(panel)
    return served


def _grid(
    analysis: Analysis, trial: dict[str, Any], names: list[str], corners: pl.DataFrame
) -> tuple[pl.DataFrame, str, str, bool]:
    """The contours of the loss on a grid over the picture; in words what they are and how far apart; whether other
    weights are held."""
    xs, ys = (np.linspace(*corners[axis].to_list(), GRID) for axis in "xy")
    seen = landscape(analysis, trial, names, xs, ys)
    levels, apart = contour_levels(seen.values)
    frames = []
    for level in levels:
        for line in level_lines(xs, ys, seen.values, level):
            frames.append(_line(line, level, len(frames)))
    low = lowest_point(xs, ys, seen.values)
    if low is not None:
        frames.append(pl.DataFrame({"what": ["lowest"], "level": [low[2]], "x": [low[0]], "y": [low[1]], "step": [0]}))
    part = (
        f" on {formatting.count(seen.examples)} of {formatting.count(seen.of)} examples"
        if seen.examples < seen.of
        else ""
    )
    drawn = pl.concat(frames, how="diagonal_relaxed") if frames else pl.DataFrame(schema={"what": pl.String})
    return drawn, f"Grey: contours of the training loss{part}", f", {apart}" if apart else "", seen.held


def ellipses(x: np.ndarray, y: np.ndarray, start: float) -> pl.DataFrame:
    """Level lines of sum((W x + b - y)^2): a quadratic, so each is an ellipse, exact, and its lowest point.

    With H = [[sum x^2, sum x], [sum x, n]] and c the least squares solution the loss is L(c) + (p - c)^T H (p - c).
    """
    design = np.stack([x.ravel(), np.ones(x.size)], axis=1)
    center, *_ = np.linalg.lstsq(design, y.ravel(), rcond=None)
    lowest = float(((design @ center - y.ravel()) ** 2).sum())
    values, vectors = np.linalg.eigh(design.T @ design)
    root = vectors @ np.diag(values**-0.5) @ vectors.T
    levels = [start * factor * 10.0**power for power in range(-3, 3) for factor in (1, 10**0.5)]
    rings = [
        _line(ellipse(center, root, level - min(lowest, level)), level, place) for place, level in enumerate(levels)
    ]
    bottom = {"what": ["lowest"], "level": [lowest], "x": [center[0]], "y": [center[1]], "step": [0]}
    return pl.concat([*rings, pl.DataFrame(bottom)], how="diagonal_relaxed")


def _line(points: np.ndarray, level: float, place: int) -> pl.DataFrame:
    count = len(points)
    return pl.DataFrame(
        {
            "what": ["contour"] * count,
            "level": [float(level)] * count,
            "x": points[:, 0],
            "y": points[:, 1],
            "step": np.arange(count),
        }
    ).with_columns(ring=pl.lit(place))


def _corners(shown: pl.DataFrame, lowest: pl.DataFrame | None, margin: float) -> pl.DataFrame:
    """The corners of a picture that holds the paths and the lowest point, with a margin around."""
    ends = []
    for axis in "xy":
        values = shown[axis] if lowest is None else pl.concat([shown[axis], lowest[axis]])
        low, high = float(values.min()), float(values.max())
        around = margin * (high - low or 1.0)
        ends.append([low - around, high + around])
    return pl.DataFrame({"what": ["corner"] * 2, "x": ends[0], "y": ends[1]})


def _note(text: str) -> pl.DataFrame:
    return pl.DataFrame({"what": ["note"], "note": [text]})


def caption(analysis: Analysis, frame: pl.DataFrame, spec: Figure) -> str:
    """What the signs mean, what was held, which trials are drawn."""
    paths = frame.filter(pl.col("what") == "path")
    if paths.is_empty():
        return ""
    drawn, of = paths["configuration"].n_unique(), int(paths.unique("panel")["of"].sum())
    lowest = " Cross: the lowest loss." if (frame["what"] == "lowest").any() else ""
    said = [f"Ring: the start. Dots: the ends, at step {formatting.count(last_step(paths))} at the latest.{lowest}"]
    said += frame.filter(pl.col("what") == "note")["note"].to_list()
    seeds = analysis.trials["seed"].n_unique()
    if seeds > 1:
        said.append(f"Seed {chosen(analysis, spec)['seed'].min()} of {formatting.plural(seeds, 'seed')}.")
    if drawn < of:
        said.append(f"The best, {formatting.count(drawn)} of {formatting.plural(of, 'configuration')}.")
    if (paths["out"] > 0).any():
        said.append("A path whose loss runs off, past that of the start, ends there.")
    return " ".join(said)


def _fits(analysis: Analysis) -> bool:
    return len(watched(analysis)) >= 2


PATH = FigureKind("path", "Path over the contours", settle, data, draw, caption, _fits)
