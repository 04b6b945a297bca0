"""One-at-a-time studies: the configurations that differ from the base in a single hyperparameter."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from fallline.stats.columns import OFF


def varied(own: pl.DataFrame, hyperparameters: Sequence[str]) -> list[str]:
    """Those of ``hyperparameters`` that take more than one value in one optimizer's configurations ``own``."""
    return [name for name in hyperparameters if _values(own, name)[name].n_unique() > 1]


def usual(own: pl.DataFrame, name: str) -> float | None:
    """The value of the base: the most frequent one; of equally frequent ones the one that was run first."""
    counted = _values(own, name).group_by(name).agg(times=pl.len(), first=pl.col("configuration").min())
    return counted.sort("times", "first", descending=[True, False])[name][0]


def alone(own: pl.DataFrame, name: str, hyperparameters: Sequence[str]) -> pl.DataFrame:
    """The ranked rows ``own`` of one optimizer in which every hyperparameter but ``name`` has its base value: one row
    per value of ``name``."""
    others = [pl.col(other).eq_missing(usual(own, other)) for other in varied(own, hyperparameters) if other != name]
    rows = own.filter(*others) if others else own
    return _values(rows, name).sort("rank").unique(name, keep="first", maintain_order=True)


def _values(own: pl.DataFrame, name: str) -> pl.DataFrame:
    """The rows that have a value of ``name``; where it may be off, a null is a value."""
    return own if name in OFF else own.drop_nulls(name)
