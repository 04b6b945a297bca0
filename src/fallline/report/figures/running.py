"""Curves of noisy batches made readable: a running mean of every seed, then mean and band over seeds."""

from __future__ import annotations

import numpy as np
import polars as pl

from fallline.contracts import MetricName
from fallline.report.figures import draw as common
from fallline.report.figures.thin import at_a_time
from fallline.stats.analysis import Analysis
from fallline.stats.columns import finished
from fallline.stats.summary import FEW_SEEDS, interval_factor
from fallline.study import Figure

WINDOWS, LEAST_POINTS, FEWEST_WINDOWS = 50, 20, 10
"""The window is a fiftieth of the steps shown, or more where that would hold fewer than 20 recorded points; a window
of more than a tenth would show little."""

NOISY, PLACES = 0.035, 50
"""What part of the way that curves take neighbouring points may lie apart before a line becomes a band of noise; the
way is that from the highest to the lowest median in fifty stretches of steps."""


def window_of(frame: pl.DataFrame, spec: Figure, batches: pl.Series | None) -> int | None:
    """Over how many steps a running mean is needed to read the curves in ``frame``; None where they can be read as
    they are.

    ``frame`` has configuration, step, value, diverged and recorded, thinned to the lowest and highest of each stretch.
    Only values of training batches are noise: with all examples a step, an oscillation is what happened.
    """
    if (
        MetricName.parse(spec.metric or "").split != "train"
        or batches is None
        or batches.is_null().all()
        or frame.is_empty()
    ):
        return None
    span = int(frame["step"].max()) - int(frame["step"].min())
    window = _window(span, LEAST_POINTS * span / max(1, int(frame["recorded"].max()) - 1))
    if window is None:
        return None
    log = common.is_log(frame, "scale" in spec.model_fields_set, spec.scale, spec.metric)
    rows = frame.filter(pl.col("value") > 0).with_columns(pl.col("value").log()) if log else frame
    steady = rows.filter(~pl.col("diverged"))
    return window if _noise(rows if steady.is_empty() else steady, span) > NOISY else None


def _noise(rows: pl.DataFrame, span: int) -> float:
    """How far neighbouring points lie apart, in parts of the way from the highest to the lowest stretch of steps."""
    key, value = pl.col("configuration"), pl.col("value")
    apart = rows.sort("configuration", "step").select(key, value.diff().over(key).abs()).group_by(key).median()
    places = rows.group_by(key, pl.col("step") * PLACES // (span + 1)).agg(value.median())["value"]
    way = (places.max() or 0.0) - (places.min() or 0.0)
    return (apart["value"].mean() or 0.0) / way if way > 0 else 0.0


def _window(span: int, least: float) -> int | None:
    """1, 2 or 5 times a power of ten: the largest in a fiftieth of ``span``, or the first from ``least`` on."""
    round_ones = [digit * 10**power for power in range(len(str(span))) for digit in (1, 2, 5)]
    fiftieth = [one for one in round_ones if least <= one <= span / WINDOWS]
    enough = [one for one in round_ones if least <= one <= span / FEWEST_WINDOWS]
    return fiftieth[-1] if fiftieth else enough[0] if enough else None


def running_means(
    analysis: Analysis, trials: pl.DataFrame, metric: str, steps: int | None, window: int, most: int
) -> pl.DataFrame:
    """Columns configuration, step, value, low, high, seeds, recorded as ``thinned(mean_curves(...))`` has them, and
    window: at most ``most`` points a configuration, each the mean over ``window`` steps around it.

    Every seed is averaged over steps before the seeds are averaged, so the band is that of what is drawn. At both ends
    the window holds only the steps that there are, about half of it; where a curve diverged it narrows to the last one.
    """
    counted = trials.filter(finished() | pl.col("diverged"))
    found = []
    for part in at_a_time(analysis, counted):
        curves = _curves(analysis, part, metric, steps)
        for (configuration,), own in part.group_by("configuration", maintain_order=True):
            seen = [curves[trial] for trial in sorted(own["trial"]) if trial in curves]
            if seen and len(seen) == own.height:
                found.append(_of_one(configuration, seen, window, most, bool(own["diverged"][0])))
    return pl.concat(found) if found else pl.DataFrame()


def _curves(
    analysis: Analysis, trials: pl.DataFrame, metric: str, steps: int | None
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Steps and finite values of each trial that has any, by its name."""
    rows = analysis.curves_of(trials.select("trial"))
    rows = rows.select("trial", "step", value=pl.col(metric).cast(pl.Float64)).filter(pl.col("value").is_finite())
    rows = rows.filter(pl.col("step") <= steps) if steps else rows
    points = rows.collect().sort("trial", "step")
    counts = points.group_by("trial", maintain_order=True).len()
    step, value = points["step"].to_numpy(), points["value"].to_numpy()
    ends = np.cumsum(counts["len"].to_numpy())
    own = [slice(end - count, end) for end, count in zip(ends.tolist(), counts["len"], strict=True)]
    return {trial: (step[part], value[part]) for trial, part in zip(counts["trial"], own, strict=True)}


def _of_one(configuration: int, curves: list, window: int, most: int, diverged: bool) -> pl.DataFrame:
    """The points of one configuration, over the steps that all of its seeds have."""
    known = min((steps for steps, _ in curves), key=len)
    first, last = int(known[0]), int(known[-1])
    at = known[np.unique(np.linspace(0, len(known) - 1, min(most, len(known))).round().astype(int))].astype(float)
    before, after = np.minimum(window // 2, at - first), np.minimum((window - 1) // 2, last - at)
    before = np.minimum(before, last - at) if diverged else before
    values = np.stack([_means(*curve, at - before, at + after) for curve in curves])
    mean, seeds = values.mean(axis=0), len(curves)
    low = high = None
    if seeds > 1:
        half = values.std(axis=0, ddof=1) * interval_factor(seeds)
        many = seeds >= FEW_SEEDS
        low, high = (mean - half, mean + half) if many else (values.min(axis=0), values.max(axis=0))
    return pl.DataFrame(
        {
            "configuration": configuration,
            "step": at.astype(np.int64),
            "value": mean,
            "low": low,
            "high": high,
            "seeds": seeds,
            "recorded": len(known),
            "window": window,
        },
        schema_overrides={"configuration": pl.UInt32, "low": pl.Float64, "high": pl.Float64, "seeds": pl.UInt32},
    )


def _means(steps: np.ndarray, values: np.ndarray, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The mean of the values at the steps from ``begin`` to ``end``, both counted."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    low, high = np.searchsorted(steps, begin, "left"), np.searchsorted(steps, end, "right")
    return (sums[high] - sums[low]) / (high - low)
