"""What a run compares where nobody says: the optimizers, else its other parts, else its numbers."""

from __future__ import annotations

import polars as pl

from fallline.stats.columns import RECIPE, varying
from fallline.store import Run


def by_default(run: Run) -> list[str]:
    """What arms are told apart by where nobody says it."""
    return compared_by(run) or ["optimizer"]


def compared_by(run: Run) -> list[str]:
    """The columns that tell arms apart: the optimizer where it varies, else the other parts, else every number; none
    where nothing varies but the seed. Where the parts alone would leave recipes with none to be compared with, as in a
    list of recipes, every column does."""
    varies = varying(run)
    if "optimizer" in varies:
        return ["optimizer"]
    parts = [name for name in varies if run.trials.schema[name] == pl.String]
    held = [name for name in varies if name not in parts and name in (*RECIPE, "epochs")]
    if parts and held and run.trials.group_by(held).agg(pl.struct(parts).n_unique().alias("arms"))["arms"].min() < 2:
        return varies
    return parts or varies
