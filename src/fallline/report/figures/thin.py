"""From millions of curve rows to what a screen can show: means over seeds, then few points that keep every peak."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from fallline.stats.analysis import Analysis
from fallline.stats.columns import finished
from fallline.stats.summary import FEW_SEEDS, interval_factor

MOST_ROWS = 4_000_000
"""Points of curves that are read at a time: some 150 MB."""


def mean_curves(analysis: Analysis, trials: pl.DataFrame, metric: str, steps: int | None) -> pl.LazyFrame:
    """Columns configuration, step, value (mean over seeds), low, high (null with one seed), seeds.

    ``trials`` has ``configuration`` and ``diverged`` (all its seeds did). Seeds that diverged count only where all
    did, and then up to the first end, so that no mean jumps because a seed dropped out of it; so do seeds that early
    stopping ended. From ``FEW_SEEDS``
    seeds on low and high are the 95 % interval, below that the least and the greatest.
    """
    counted = trials.filter(finished() | pl.col("diverged")).select("trial", "configuration")
    seeds = counted.group_by("configuration").agg(of=pl.len())
    curves = analysis.curves_of(counted)
    if metric not in curves.collect_schema().names():
        curves = curves.with_columns(pl.lit(None, pl.Float64).alias(metric))
    rows = curves.select("configuration", "step", value=pl.col(metric).cast(pl.Float64))
    rows = rows.filter(pl.col("value").is_finite())
    if steps:
        rows = rows.filter(pl.col("step") <= steps)
    if seeds.is_empty() or seeds["of"].max() == 1:
        return rows.with_columns(
            low=pl.lit(None, pl.Float64), high=pl.lit(None, pl.Float64), seeds=pl.lit(1, pl.UInt32)
        )
    value = pl.col("value")
    means = rows.group_by("configuration", "step").agg(
        value.mean(), low=value.min(), high=value.max(), sd=value.std(), seeds=pl.len()
    )
    means = means.join(seeds.lazy(), on="configuration").filter(pl.col("seeds") == pl.col("of")).drop("of")
    counts = seeds["of"].unique().to_list()
    half = pl.col("sd") * pl.col("seeds").replace_strict(
        counts, [interval_factor(n) for n in counts], return_dtype=pl.Float64
    )
    many, several = pl.col("seeds") >= FEW_SEEDS, pl.col("seeds") > 1
    return means.with_columns(
        low=pl.when(many).then(value - half).when(several).then("low"),
        high=pl.when(many).then(value + half).when(several).then("high"),
    ).drop("sd")


def thin_curves(analysis: Analysis, trials: pl.DataFrame, metric: str, steps: int | None, most: int) -> pl.DataFrame:
    """``thinned(mean_curves(...))``, some configurations at a time, so that any number of points can be read."""
    parts = [thinned(mean_curves(analysis, own, metric, steps), most) for own in at_a_time(analysis, trials)]
    return pl.concat(parts, how="diagonal_relaxed").sort("configuration", "step")


def at_a_time(analysis: Analysis, trials: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """``trials``, which have ``configuration``, in parts that recorded about ``MOST_ROWS`` points each; seeds together.

    At least one part, which may be empty.
    """
    points = trials.group_by("configuration", maintain_order=True).agg(
        points=(pl.col("steps").cast(pl.Int64) // analysis.study.record_every + 1).sum()
    )
    before = pl.col("points").cum_sum() - pl.col("points")
    parts = points.select("configuration", part=before // MOST_ROWS)
    if parts["part"].n_unique() < 2:
        yield trials
        return
    yield from trials.join(parts, on="configuration", maintain_order="left").partition_by(
        "part", include_key=False, maintain_order=True
    )


def thinned(points: pl.LazyFrame, most: int) -> pl.DataFrame:
    """At most ``most`` rows a configuration: of each stretch of steps the lowest and the highest, and both ends.

    The column ``recorded`` says how many there were.
    """
    key, step, value = pl.col("configuration"), pl.col("step"), pl.col("value")
    rows = points.collect().with_columns(recorded=pl.len().over(key))
    whole = rows.filter(pl.col("recorded") <= most)
    if whole.height == rows.height:
        return rows.sort("configuration", "step")
    rows = rows.filter(pl.col("recorded") > most)
    first = step.min().over(key)
    stretch = (step - first) * (most // 2 - 1) // (step.max().over(key) - first + 1)
    names = [name for name in rows.columns if name != "configuration"]
    rows = rows.with_columns(stretch=stretch)
    inner = [
        rows.group_by(key, "stretch").agg(pl.col(names).get(place)).drop("stretch")
        for place in (value.arg_min(), value.arg_max())
    ]
    ends = [rows.group_by(key).agg(pl.col(names).get(place)) for place in (step.arg_min(), step.arg_max())]
    thin = pl.concat([*inner, *ends], how="diagonal").unique(["configuration", "step"])
    return pl.concat([whole, thin], how="diagonal").sort("configuration", "step")
