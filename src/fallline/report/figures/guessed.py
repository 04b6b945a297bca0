"""Forecasts of time and memory, and the rules of thumb of published reports, against what each cohort measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from fallline.forecast.published_guesses import memory_guess, time_guess
from fallline.report import formatting
from fallline.report import vega as alt
from fallline.report.figures import draw as common
from fallline.report.figures.kind import FigureKind
from fallline.report.sections.forecast import predicted_frame
from fallline.report.style import WIDTH, Theme
from fallline.stats.analysis import Analysis
from fallline.study import Figure

OURS, GUESS = "forecast before training", "published rule, fitted afterwards"
WHAT = {"seconds": "time per trial, s", "memory_bytes": "memory, bytes"}
SHAPE = {
    "cohort": pl.String,
    "what": pl.String,
    "law": pl.String,
    "measured": pl.Float64,
    "predicted": pl.Float64,
    "error": pl.Float64,
}


def settle(analysis: Analysis, spec: Figure) -> Figure:
    return spec


def data(analysis: Analysis, spec: Figure) -> pl.DataFrame:
    """One row per cohort, law and quantity. The configurations of a cohort count as one, since they train together."""
    predicted = predicted_frame(analysis.run)
    if predicted.is_empty():
        return pl.DataFrame(schema=SHAPE)
    own = analysis.fold_trials.group_by("cohort").agg(
        pl.col("epochs", "batch_size", "parameters").first(), blocks=pl.col("block").n_unique()
    )
    both = predicted.join(own, on="cohort", how="inner").sort("cohort")
    both = both.with_columns(pl.col("batch_size").cast(pl.Float64, strict=False))
    rows = []
    for what in WHAT:
        share = both["blocks"] if what == "seconds" else pl.Series([1] * both.height)
        kept = both.with_columns(measured=pl.col(what) / share, ours=pl.col(f"predicted_{what}") / share)
        kept = kept.filter(pl.col("measured") > 0, pl.col("batch_size").is_not_null())
        if kept.height < 2:
            continue
        measured = kept["measured"].to_numpy()
        guess = (
            time_guess(kept["epochs"].to_numpy(), kept["batch_size"].to_numpy(), measured)
            if what == "seconds"
            else memory_guess(kept["parameters"].to_numpy().astype(float), measured)
        )
        for law, values in ((OURS, kept["ours"].cast(pl.Float64).to_numpy()), (GUESS, guess)):
            rows += [
                {
                    "cohort": name,
                    "what": WHAT[what],
                    "law": law,
                    "measured": float(true),
                    "predicted": float(said),
                    "error": float(said / true - 1),
                }
                for name, true, said in zip(kept["cohort"], measured, values, strict=True)
                if np.isfinite(said)
            ]
    return pl.DataFrame(rows, schema=SHAPE)


def draw(frame: pl.DataFrame, spec: Figure, theme: Theme) -> Any:
    """Predicted against measured, one panel per quantity: exact predictions are on the diagonal."""
    if frame.is_empty():
        return common.empty("This run has no forecast, or fewer than two cohorts.")
    panels = [_panel(frame.filter(pl.col("what") == what), what) for what in frame["what"].unique(maintain_order=True)]
    return panels[0] if len(panels) == 1 else alt.hconcat(*panels, spacing=40)


def _panel(frame: pl.DataFrame, what: str) -> Any:
    every = [*frame["measured"], *frame["predicted"]]
    low, high = 0.9 * min(every), 1.1 * max(every)
    scale = alt.Scale(type="log", domain=[low, high])
    tips = [
        alt.Tooltip("cohort:N"),
        alt.Tooltip("law:N"),
        alt.Tooltip("measured:Q", format=".3s"),
        alt.Tooltip("predicted:Q", format=".3s"),
        alt.Tooltip("error:Q", format="+.0%"),
    ]
    marks = (
        alt.Chart(common.held(frame.select("cohort", "law", "measured", "predicted", "error")))
        .mark_point(filled=True, size=70)
        .encode(
            x=alt.X("measured:Q", title=f"measured {what} (log scale)", scale=scale, axis=alt.Axis(format="~s")),
            y=alt.Y("predicted:Q", title=f"predicted {what} (log scale)", scale=scale, axis=alt.Axis(format="~s")),
            color=alt.Color("law:N", title=None, sort=[OURS, GUESS], legend=alt.Legend(orient="top")),
            shape=alt.Shape("law:N", title=None, sort=[OURS, GUESS]),
            tooltip=tips,
        )
    )
    ends = (
        alt.Chart(alt.Data(values=[{"at": low}, {"at": high}]))
        .mark_line(strokeDash=[4, 4], opacity=0.5)
        .encode(x=alt.X("at:Q", scale=scale), y=alt.Y("at:Q", scale=scale))
    )
    return alt.layer(ends, marks).properties(width=WIDTH / 2 - 80, height=WIDTH / 2 - 80)


def caption(analysis: Analysis, frame: pl.DataFrame, spec: Figure) -> str:
    """The errors of both laws, and the device they were measured on."""
    if frame.is_empty():
        return ""
    device = (analysis.environments[-1] if analysis.environments else {}).get("device") or "this device"
    sentences = []
    for (what,), rows in frame.group_by("what", maintain_order=True):
        errors = {law: rows.filter(pl.col("law") == law)["error"].abs() for law in (OURS, GUESS)}
        texts = [
            f"{'forecast' if law == OURS else 'published rule'} {100 * error.median():.0f} % off (median), at most "
            f"{100 * error.max():.0f} %"
            for law, error in errors.items()
            if len(error)
        ]
        sentences.append(f"{str(what).split(',')[0].capitalize()}: {'; '.join(texts)}.")
    if OURS not in frame.filter(pl.col("what") == WHAT["seconds"])["law"]:
        sentences.append("No time was predicted, since the device was not calibrated; fallline plan calibrates it.")
    return (
        f"{formatting.plural(frame['cohort'].n_unique(), 'cohort')} on {device}, {analysis.study.data_size} data. "
        "Published rules: time ~ epochs / batch size and memory ~ parameters, each with a constant fitted to the "
        "measured values by least squares; the forecasts were recorded before training. " + " ".join(sentences)
    )


def table(frame: pl.DataFrame) -> pl.DataFrame:
    """Both laws side by side, as text."""
    rows = [
        {
            "cohort": row["cohort"],
            "what": row["what"],
            "law": row["law"],
            "measured": formatting.number(row["measured"], 3),
            "predicted": formatting.number(row["predicted"], 3),
            "error": f"{100 * row['error']:+.0f} %".replace("-", "−"),
        }
        for row in frame.iter_rows(named=True)
    ]
    return pl.DataFrame(rows)


def _fits(analysis: Analysis) -> bool:
    return False  # where a study asks for it


GUESSED = FigureKind(
    "guessed", "Forecasts and published rules against measurements", settle, data, draw, caption, _fits, table
)
