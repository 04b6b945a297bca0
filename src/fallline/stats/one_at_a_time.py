"""One number at a time: the configurations that differ from the usual one in a single number."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from fallline.stats.columns import OFF


def varied(own: pl.DataFrame, hyperparameters: Sequence[str]) -> list[str]:
    """Those of ``hyperparameters`` that take more than one value in one optimizer's configurations ``own``."""
    return [name for name in hyperparameters if _values(own, name)[name].n_unique() > 1]


def usual(own: pl.DataFrame, name: str) -> float | None:
    """The value most configurations have: the base of a one-at-a-time study; of equally frequent ones the first run."""
    counted = _values(own, name).group_by(name).agg(times=pl.len(), first=pl.col("configuration").min())
    return counted.sort("times", "first", descending=[True, False])[name][0]


def alone(own: pl.DataFrame, name: str, hyperparameters: Sequence[str]) -> pl.DataFrame:
    """The ranked rows ``own`` of one optimizer in which every varied number but ``name`` has its usual value, one row a
    value of ``name``."""
    others = [pl.col(other).eq_missing(usual(own, other)) for other in varied(own, hyperparameters) if other != name]
    rows = own.filter(*others) if others else own
    return _values(rows, name).sort("rank").unique(name, keep="first", maintain_order=True)


def _values(own: pl.DataFrame, name: str) -> pl.DataFrame:
    """The rows that have a value of ``name``; of what may be off, a null is one."""
    return own if name in OFF else own.drop_nulls(name)
