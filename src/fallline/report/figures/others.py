"""What many curves have in common: where four fifths of them lie, and the middle one."""

from __future__ import annotations

import numpy as np
import polars as pl

from fallline.report.figures.thin import mean_curves
from fallline.stats.analysis import Analysis

LOW, HIGH = 0.1, 0.9
MOST_STEPS = 80
"""Points of a band."""


def bands(
    analysis: Analysis, trials: pl.DataFrame, groups: pl.DataFrame, metric: str, steps: int | None
) -> pl.DataFrame:
    """One row a (group, step): value (the median over configurations), low and high (their 10 % and 90 % quantiles).

    ``groups`` has configuration and the columns that make a group; ``trials`` as in ``mean_curves``. Configurations
    that diverged are left out. Between its points a curve is read along the straight line; a band ends where fewer than
    half of its curves go on.
    """
    keys = [name for name in groups.columns if name != "configuration"]
    kept = trials.join(groups.filter(pl.col("configuration").is_not_null()), on="configuration", how="semi")
    kept = kept.filter(~pl.col("diverged"))
    grid = _grid(analysis, kept, metric, steps)
    if grid is None:
        return pl.DataFrame()
    points = mean_curves(analysis, kept, metric, steps)
    if grid.len() == MOST_STEPS:  # long curves share their steps: only those of the band are read
        points = points.filter(pl.col("step").is_in(grid.implode()))
    points = _at(points.collect(), grid).join(groups, on="configuration")
    sizes = points.group_by(keys).agg(of=pl.col("configuration").n_unique())
    found = points.group_by([*keys, "step"]).agg(
        pl.col("value").median(),
        low=pl.col("value").quantile(LOW, "linear"),
        high=pl.col("value").quantile(HIGH, "linear"),
        found=pl.len(),
    )
    going_on = found.join(sizes, on=keys).filter(2 * pl.col("found") >= pl.col("of"))
    return going_on.drop("found", "of").sort(*keys, "step")


def _at(points: pl.DataFrame, grid: pl.Series) -> pl.DataFrame:
    """Each configuration's value at the steps of ``grid`` that its curve spans."""
    wanted, found = grid.to_numpy(), []
    for (configuration,), own in points.sort("step").group_by("configuration"):
        inside = wanted[(wanted >= own["step"][0]) & (wanted <= own["step"][-1])]
        values = np.interp(inside, own["step"].to_numpy(), own["value"].to_numpy())
        found.append(
            pl.DataFrame(
                {"configuration": [configuration] * inside.size, "step": inside, "value": values},
                schema_overrides={"configuration": pl.UInt32},
            )
        )
    return pl.concat(found) if found else points


def _grid(analysis: Analysis, trials: pl.DataFrame, metric: str, steps: int | None) -> pl.Series | None:
    """Steps at which the trial with the longest budget has a value: some of them, the first and the last too."""
    if trials.is_empty() or metric not in analysis.curve_schema:
        return None
    longest = trials.sort("steps", "trial", descending=[True, False]).select("trial").head(1)
    rows = analysis.curves_of(longest).filter(pl.col(metric).is_not_null())
    rows = rows.filter(pl.col("step") <= steps) if steps else rows
    known = rows.select("step").sort("step").collect()["step"]
    if known.is_empty():
        return None
    places = pl.int_range(0, MOST_STEPS, eager=True) * (known.len() - 1) // (MOST_STEPS - 1)
    return known.gather(places.unique().sort()) if known.len() > MOST_STEPS else known
