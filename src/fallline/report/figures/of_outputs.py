"""What figures of kept probabilities share: one curve per optimizer with a band over seeds, and its table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import polars as pl

from fallline.report import formatting
from fallline.report import vega as alt
from fallline.report.figures import draw as common
from fallline.report.figures.choose import chosen, labelled
from fallline.report.style import INK, Theme
from fallline.stats.analysis import Analysis
from fallline.stats.outputs import PROBABILITIES, Outputs
from fallline.stats.summary import FEW_SEEDS, interval_factor
from fallline.study import Figure

SIDE = 460
"""Pixels of a side of the square that a curve is drawn in."""


def by_configuration(analysis: Analysis, spec: Figure, kind: str) -> list[tuple[dict[str, Any], list[Outputs]]]:
    """The kept outputs that ``spec.where`` leaves, all seeds of a configuration together, best first.

    With each its labels: color, color_place, trial.
    """
    trials = chosen(analysis, spec)
    found = [one for one in analysis.outputs(kind) if one.trial in set(trials["trial"])]
    if not found:
        return []
    own = trials.filter(pl.col("configuration").is_in([one.configuration for one in found]))
    labels = labelled(analysis, own, spec.model_copy(update={"color": "optimizer", "panel": None}))
    named = {row["configuration"]: row for row in labels.iter_rows(named=True)}
    return [(named[key], list(seeds)) for key, seeds in groupby(found, lambda one: one.configuration)]


def curves(
    analysis: Analysis,
    spec: Figure,
    x: np.ndarray,
    curve: Callable[[np.ndarray, np.ndarray], np.ndarray],
    area: Callable[[np.ndarray, np.ndarray], float],
    chance: Callable[[np.ndarray], np.ndarray],
) -> pl.DataFrame:
    """One row per optimizer and point of ``x``: y (mean over seeds), low and high, and of the whole curve area and
    area_sd, seeds, of (trials of the configuration), classes, examples, color, trial; chance is y of a guess."""
    frames = []
    for labels, seeds in by_configuration(analysis, spec, PROBABILITIES):
        values = np.array([curve(one.values, one.targets) for one in seeds])
        areas = [area(one.values, one.targets) for one in seeds]
        low, high = band(values)
        first = seeds[0]
        frames.append(
            pl.DataFrame({"x": x, "y": values.mean(0), "low": low, "high": high}).with_columns(
                **{name: pl.lit(labels[name]) for name in ("color", "color_place", "trial")},
                area=pl.lit(float(np.mean(areas))),
                area_sd=pl.lit(float(np.std(areas, ddof=1)) if len(areas) > 1 else None, pl.Float64),
                seeds=pl.lit(len(seeds)),
                of=pl.lit(first.of),
                classes=pl.lit(first.values.shape[1]),
                examples=pl.lit(len(first.targets)),
                chance=pl.Series(chance(first.targets)),
            )
        )
    return pl.concat(frames) if frames else pl.DataFrame(schema={"x": pl.Float64, "y": pl.Float64})


def band(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Low and high of curves [seeds, points] between 0 and 1: the 95 % CI of the mean from ``FEW_SEEDS`` on, below
    that minimum and maximum; nan with one seed."""
    if len(values) == 1:
        return np.full(values.shape[1], np.nan), np.full(values.shape[1], np.nan)
    if len(values) < FEW_SEEDS:
        return values.min(0), values.max(0)
    half = (interval_factor(len(values)) or 0.0) * values.std(0, ddof=1)
    return np.clip(values.mean(0) - half, 0, 1), np.clip(values.mean(0) + half, 0, 1)


def draw_curves(frame: pl.DataFrame, theme: Theme, across: str, upward: str) -> Any:
    """Lines with bands in a square, the guess in grey, values on hover; the legend highlights a line."""
    if frame.is_empty():
        return common.empty("The run keeps no probabilities: no weights of a classifier with a validation split.")
    x, y = axes(across, upward)
    color = common.colors(frame, "optimizer", theme, alt.Legend(orient="right"))
    pick = alt.selection_point(name="pick", fields=["color"], bind="legend")
    faded = alt.condition(pick, alt.value(1), alt.value(0.1))
    base = common.spoken(alt.Chart(), ["x", "y", "low", "high"])
    tips = [alt.Tooltip("color:N", title="optimizer"), common.tip("x", across), common.tip("y", upward)]
    layers = [base.mark_line().encode(x=x, y=y, opacity=faded, **color).add_params(pick)]
    if frame["low"].fill_nan(None).null_count() < frame.height:
        tips += [common.tip("low"), common.tip("high")]
        layers.append(
            base.mark_area(strokeWidth=0, line=False).encode(
                x=x,
                y=alt.Y("low:Q", title=upward, scale=y["scale"]),
                y2="high:Q",
                opacity=alt.condition(pick, alt.value(0.14), alt.value(0.02)),
                **common.filled(color["color"]),
            )
        )
    guess = frame.filter(pl.col("color_place") == frame["color_place"][0]).select("x", "chance")
    layers.append(
        alt.Chart(common.held(guess))
        .mark_line(color=INK["muted"][0], strokeWidth=1, strokeDash=[2, 3])
        .encode(x=x, y=alt.Y("chance:Q", title=upward, scale=y["scale"]))
    )
    layers.append(base.mark_circle(size=50, opacity=0).encode(x=x, y=y, tooltip=tips, detail="color:N"))
    shown = frame.select("color", "x", "y", "low", "high")
    return common.with_rows(alt.layer(*layers), shown).properties(data=common.ROWS, width=SIDE, height=SIDE)


def axes(across: str, upward: str) -> tuple[alt.X, alt.Y]:
    """Both axes from 0 to 1."""
    scale = alt.Scale(domain=[0, 1], nice=False)
    return (
        alt.X("x:Q", title=across, scale=scale, axis=common.value_axis(6)),
        alt.Y("y:Q", title=upward, scale=scale, axis=common.value_axis(6)),
    )


def spread_table(frame: pl.DataFrame, name: str, column: str = "area") -> pl.DataFrame:
    """One row per optimizer: its configuration, and ``column`` with its standard deviation over seeds, best first."""
    if frame.is_empty():
        return frame
    rows = frame.unique("color_place", maintain_order=True)
    return pl.DataFrame(
        {
            "optimizer": rows["color"],
            "configuration": rows["trial"],
            "seeds": rows["seeds"],
            name: [spread_of(mean, sd) for mean, sd in rows.select(column, f"{column}_sd").iter_rows()],
        }
    )


def spread_of(mean: float, sd: float | None) -> str:
    """A mean with its standard deviation over seeds."""
    return formatting.number(mean) + ("" if sd is None else f" (sd {formatting.number(sd, 2)})")


def whose(frame: pl.DataFrame) -> list[str]:
    """Whose outputs on which examples, why they are a little too good, and which seeds are missing."""
    one = frame["color"].n_unique() == 1
    name = frame["trial"][0] if one else "the best configuration of each optimizer"
    said = [
        f"{formatting.capital(name)}; {formatting.count(frame['examples'][0])} examples of the validation split, by "
        f"which {'it was' if one else 'they were'} chosen: a little too good for new examples."
    ]
    few = frame.filter(pl.col("seeds") < pl.col("of"))
    if few.height:
        kept, of = few.select("seeds", "of").row(0)
        said.append(
            f"Of {formatting.plural(of, 'seed')} the weights of {formatting.count(kept)} were kept, the best ones of "
            'their blocks; keep_weights = "all" keeps all.'
        )
    return said


def sentences(frame: pl.DataFrame) -> list[str]:
    """The sentences of curves: whose they are, and over what their means are."""
    said, seeds = whose(frame), int(frame["seeds"].max())
    mean = f"Mean over {formatting.plural(seeds, 'seed')}; bands: {common.spread(seeds)}."
    said.append("One seed." if seeds == 1 else mean)
    classes = int(frame["classes"].max())
    if classes > 2:
        said.append(f"Each of {formatting.count(classes)} classes against the rest, macro average.")
    return said


def has(analysis: Analysis, kind: str) -> bool:
    """Whether the run keeps such outputs."""
    return bool(analysis.outputs(kind))


def mean_and_sd(values: Sequence[float]) -> tuple[float, float | None]:
    """The mean over seeds and its standard deviation; None with one seed."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None
