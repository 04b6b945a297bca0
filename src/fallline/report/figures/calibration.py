"""Reliability diagrams of the best configuration of each optimizer, with the expected calibration error."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import polars as pl

from fallline.metrics.calibration import BINS, expected_calibration_error
from fallline.report import formatting
from fallline.report import vega as alt
from fallline.report.figures import draw as common
from fallline.report.figures import of_outputs
from fallline.report.figures.kind import FigureKind
from fallline.report.style import INK, Theme
from fallline.stats.analysis import Analysis
from fallline.stats.operating_points import reliability
from fallline.stats.outputs import PROBABILITIES
from fallline.study import Figure

LEAST_JOINED = 10
"""Dots of fewer examples are not joined: they jump."""


def settle(analysis: Analysis, spec: Figure) -> Figure:
    title = spec.title or "Calibration, validation split"
    return spec.model_copy(update={"metric": "validation", "title": title})


def data(analysis: Analysis, spec: Figure) -> pl.DataFrame:
    """One row per optimizer and bin of the confidence with examples: confidence and accuracy of the examples of all
    seeds, their count and share, low and high (minimum and maximum of the accuracy over seeds); of the whole
    configuration ece and ece_sd, seeds, of (its trials), examples, color, trial."""
    frames = []
    for labels, seeds in of_outputs.by_configuration(analysis, spec, PROBABILITIES):
        parts = [reliability(one.values, one.targets) for one in seeds]
        errors = [expected_calibration_error(one.values, one.targets) for one in seeds]
        counts = np.array([part.count for part in parts])
        total = counts.sum(0)
        own = total > 0
        means = {}
        for name in ("confidence", "accuracy"):
            sums = np.nan_to_num([getattr(part, name) for part in parts]) * counts
            means[name] = sums.sum(0)[own] / total[own]
        accuracies = np.array([part.accuracy for part in parts])[:, own]
        mean, sd = of_outputs.mean_and_sd(errors)
        frames.append(
            pl.DataFrame(
                {
                    **means,
                    "count": total[own],
                    "share": total[own] / total.sum(),
                    "low": np.nanmin(accuracies, axis=0),
                    "high": np.nanmax(accuracies, axis=0),
                }
            ).with_columns(
                **{name: pl.lit(labels[name]) for name in ("color", "color_place", "trial")},
                ece=pl.lit(mean),
                ece_sd=pl.lit(sd, pl.Float64),
                seeds=pl.lit(len(seeds)),
                of=pl.lit(seeds[0].of),
                examples=pl.lit(len(seeds[0].targets)),
            )
        )
    return pl.concat(frames) if frames else pl.DataFrame(schema={"confidence": pl.Float64, "accuracy": pl.Float64})


def draw(frame: pl.DataFrame, spec: Figure, theme: Theme) -> Any:
    """A dot per bin, larger for more examples, joined by a line; the diagonal in grey."""
    if frame.is_empty():
        return common.empty("The run keeps no probabilities: no weights of a classifier with a validation split.")
    x, y = of_outputs.axes("confidence", "accuracy")
    x, y = alt.X("confidence:Q", **_rest(x)), alt.Y("accuracy:Q", **_rest(y))
    color = common.colors(frame, "optimizer", theme, alt.Legend(orient="right"))
    pick = alt.selection_point(name="pick", fields=["color"], bind="legend")
    faded = alt.condition(pick, alt.value(1), alt.value(0.1))
    shown = frame.select("color", "confidence", "accuracy", "low", "high", "count", "share").with_columns(
        count_said=pl.col("count").map_elements(formatting.count, return_dtype=pl.String)
    )
    base = common.spoken(alt.Chart(), ["confidence", "accuracy", "low", "high"])
    tips = [
        alt.Tooltip("color:N", title="optimizer"),
        common.tip("confidence"),
        common.tip("accuracy"),
        alt.Tooltip("count_said:N", title="examples"),
    ]
    perfect = pl.DataFrame({"confidence": [0.0, 1.0], "accuracy": [0.0, 1.0]})
    joined = base.transform_filter(f"datum.count >= {LEAST_JOINED}").mark_line()
    layers = [joined.encode(x=x, y=y, opacity=faded, **color).add_params(pick)]
    if frame["seeds"].max() > 1:
        rule = base.mark_rule(strokeWidth=1).encode(
            x=x,
            y=alt.Y("low:Q", title="accuracy", scale=y["scale"]),
            y2="high:Q",
            color=color["color"],
            opacity=alt.condition(pick, alt.value(0.6), alt.value(0.05)),
        )
        layers.append(rule)
        tips += [common.tip("low"), common.tip("high")]
    size = alt.Size("share:Q", scale=alt.Scale(type="sqrt", domain=[0, 1], range=[12, 500]), legend=None)
    fill = common.filled(color["color"])
    layers.append(base.mark_circle().encode(x=x, y=y, size=size, opacity=faded, tooltip=tips, **fill))
    layers.append(
        alt.Chart(common.held(perfect))
        .mark_line(color=INK["muted"][0], strokeWidth=1, strokeDash=[2, 3])
        .encode(x=x, y=y)
    )
    return common.with_rows(alt.layer(*layers), shown).properties(
        data=common.ROWS, width=of_outputs.SIDE, height=of_outputs.SIDE
    )


def _rest(channel: alt.Channel) -> dict[str, Any]:
    return {name: part for name, part in channel.items() if name not in ("field", "type")}


def caption(analysis: Analysis, frame: pl.DataFrame, spec: Figure) -> str:
    if frame.is_empty():
        return ""
    seeds = int(frame["seeds"].max())
    said = of_outputs.whose(frame)
    spread = "" if seeds == 1 else "; rules: minimum to maximum of the accuracy over seeds"
    over = "One seed." if seeds == 1 else f"The examples of {formatting.plural(seeds, 'seed')} together{spread}."
    return " ".join(
        [
            *said,
            over,
            f"Confidence: the largest probability, in {BINS} bins of equal width; a larger dot has more examples, "
            f"and those of {LEAST_JOINED} or more are joined. Grey: as confident as right; below it, too confident. "
            "Table: the mean distance of confidence and accuracy over examples (Guo et al., 2017).",
        ]
    )


CALIBRATION = FigureKind(
    "calibration",
    "Calibration",
    settle,
    data,
    draw,
    caption,
    fits=partial(of_outputs.has, kind=PROBABILITIES),
    table=partial(of_outputs.spread_table, name="expected calibration error", column="ece"),
)
