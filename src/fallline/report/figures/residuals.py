"""Predicted against true values of a regression, and residuals against predicted ones, of the best configuration."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import polars as pl

from fallline.metrics.errors import mean_absolute_error
from fallline.metrics.regression import r2, rmse
from fallline.report import formatting
from fallline.report import vega as alt
from fallline.report.figures import draw as common
from fallline.report.figures import of_outputs
from fallline.report.figures.kind import FigureKind
from fallline.report.style import INK, Theme
from fallline.stats.analysis import Analysis
from fallline.stats.outputs import VALUES
from fallline.study import Figure

MOST_DOTS = 1_500
"""Dots of a picture; of more predictions as many are drawn by chance."""

METRICS = {"RMSE": rmse, "mean absolute error": lambda *pair: float(np.mean(mean_absolute_error(*pair))), "R2": r2}


def settle(analysis: Analysis, spec: Figure) -> Figure:
    title = spec.title or "Predictions and residuals, validation split"
    return spec.model_copy(update={"metric": "validation", "title": title})


def data(analysis: Analysis, spec: Figure) -> pl.DataFrame:
    """One row per target, seed and example of the best configuration (``what`` = "dot"): target, true, predicted,
    residual (predicted minus true). ``what`` = "optimizer": one row per optimizer with its metrics, means over seeds
    with their standard deviations, in the units of the targets. Both have color, trial, seeds, of, examples."""
    found = of_outputs.by_configuration(analysis, spec, VALUES)
    frames = []
    for labels, seeds in found:
        row: dict[str, Any] = {"what": "optimizer"}
        for name, metric in METRICS.items():
            row[name], row[f"{name}_sd"] = of_outputs.mean_and_sd([metric(one.values, one.targets) for one in seeds])
        frames.append(_marked(pl.DataFrame([row]), labels, seeds))
    for labels, seeds in found[:1]:
        names = _targets(analysis, seeds[0].trial, seeds[0].values.shape[1])
        for one in seeds:
            for place, name in enumerate(names):
                true, predicted = one.targets[:, place], one.values[:, place]
                dots = pl.DataFrame(
                    {
                        "true": true,
                        "predicted": predicted,
                        "residual": predicted - true,
                        "example": np.arange(len(true)),
                    }
                )
                dots = dots.with_columns(what=pl.lit("dot"), target=pl.lit(name), seed=pl.lit(one.seed))
                frames.append(_marked(dots, labels, seeds))
    if not frames:
        return pl.DataFrame(schema={"what": pl.String})
    return pl.concat(frames, how="diagonal_relaxed")


def _marked(frame: pl.DataFrame, labels: dict[str, Any], seeds: list) -> pl.DataFrame:
    return frame.with_columns(
        **{name: pl.lit(labels[name]) for name in ("color", "color_place", "trial")},
        seeds=pl.lit(len(seeds)),
        of=pl.lit(seeds[0].of),
        examples=pl.lit(len(seeds[0].targets)),
    )


def _targets(analysis: Analysis, trial: str, width: int) -> list[str]:
    """The names of the targets: those of the table, else numbers where there are several."""
    task = analysis.trials.filter(pl.col("trial") == trial)["task"][0]
    named = analysis.pipelines.get(task, {}).get("target", {}).get("names", [])
    if len(named) == width:
        return list(named)
    return [""] if width == 1 else [f"output {place + 1}" for place in range(width)]


def table(frame: pl.DataFrame) -> pl.DataFrame:
    """One row per optimizer: its configuration and its errors, in the units of the targets."""
    rows = frame.filter(pl.col("what") == "optimizer")
    if rows.is_empty():
        return rows
    columns = {"optimizer": rows["color"], "configuration": rows["trial"], "seeds": rows["seeds"]}
    for name in METRICS:
        columns[name] = [of_outputs.spread_of(mean, sd) for mean, sd in rows.select(name, f"{name}_sd").iter_rows()]
    return pl.DataFrame(columns)


def draw(frame: pl.DataFrame, spec: Figure, theme: Theme) -> Any:
    """Two pictures per target: predicted against true with the diagonal, residuals against predicted with zero."""
    dots = frame.filter(pl.col("what") == "dot") if frame.height else frame
    if dots.is_empty():
        return common.empty("The run keeps no predicted numbers: no weights of a regression with a validation split.")
    ink = theme.marks("optimizer", [dots["color"][0]])[0].light
    pairs = [_pair(own, str(name), ink) for (name,), own in dots.group_by("target", maintain_order=True)]
    return pairs[0] if len(pairs) == 1 else alt.vconcat(*pairs).properties(spacing=30)


def _pair(dots: pl.DataFrame, target: str, ink: str) -> alt.Chart:
    if dots.height > MOST_DOTS:
        dots = dots.sample(MOST_DOTS, seed=0)
    limits = common.around(
        min(dots["true"].min(), dots["predicted"].min()), max(dots["true"].max(), dots["predicted"].max()), log=False
    )
    far = max(abs(dots["residual"].min()), abs(dots["residual"].max())) * 1.08 or 1.0
    scale = alt.Scale(domain=list(limits), nice=False, zero=False)
    said = f" {target}" if target else ""
    side, high = {"title": f"predicted{said}", "scale": scale, "axis": common.value_axis(5)}, 380
    names = ["true", "predicted", "residual"]
    base = common.spoken(alt.Chart(common.held(dots.select("example", "seed", *names))), names)
    tips = [alt.Tooltip("example:Q"), alt.Tooltip("seed:Q"), *(common.tip(name) for name in names)]
    mark = {"size": 26, "opacity": 0.5, "color": ink}
    true = alt.X("true:Q", title=f"true{said}", scale=scale, axis=common.value_axis(5))
    same = pl.DataFrame({"true": limits, "predicted": limits})
    zero = pl.DataFrame({"predicted": limits, "residual": [0.0, 0.0]})
    left = alt.layer(
        base.mark_circle(**mark).encode(x=true, y=alt.Y("predicted:Q", **side), tooltip=tips),
        _guide(same).encode(x=true, y=alt.Y("predicted:Q", **side)),
    ).properties(width=400, height=high)
    across = alt.X("predicted:Q", **side)
    up = alt.Y(
        "residual:Q",
        title="predicted − true",
        scale=alt.Scale(domain=[-far, far], nice=False, zero=False),
        axis=common.value_axis(5),
    )
    right = alt.layer(
        base.mark_circle(**mark).encode(x=across, y=up, tooltip=tips), _guide(zero).encode(x=across, y=up)
    ).properties(width=400, height=high)
    return alt.hconcat(left, right).properties(spacing=60)


def _guide(ends: pl.DataFrame) -> alt.Chart:
    return alt.Chart(common.held(ends)).mark_line(color=INK["muted"][0], strokeWidth=1, strokeDash=[2, 3])


def caption(analysis: Analysis, frame: pl.DataFrame, spec: Figure) -> str:
    if frame.is_empty():
        return ""
    dots = frame.filter(pl.col("what") == "dot")
    seeds = int(dots["seeds"][0])
    said = of_outputs.whose(dots)
    said.append("One seed." if seeds == 1 else f"Dots: the predictions of {formatting.plural(seeds, 'seed')}.")
    each = dots.height // dots["target"].n_unique()
    if each > MOST_DOTS:
        said.append(f"Shown: {formatting.count(MOST_DOTS)} of {formatting.count(each)} predictions, drawn by chance.")
    said.append("Grey: predicted as they are. Table: the best configuration of each optimizer, in the targets' units.")
    return " ".join(said)


RESIDUALS = FigureKind(
    "residuals",
    "Predictions and residuals",
    settle,
    data,
    draw,
    caption,
    fits=partial(of_outputs.has, kind=VALUES),
    table=table,
)
