"""What a run compares by default: its optimizers, else its other components, else its hyperparameters."""

from __future__ import annotations

import polars as pl

from fallline.stats.columns import RECIPE, varying
from fallline.store import Run


def by_default(run: Run) -> list[str]:
    """The columns that are compared by default; the optimizer where nothing varies."""
    return compared_by(run) or ["optimizer"]


def compared_by(run: Run) -> list[str]:
    """The columns that the study compares: the optimizer where it varies, else the other components, else every
    hyperparameter; empty where only the seed varies. Where some recipes would have no counterpart by the components
    alone, as in a list of recipes, all columns that vary."""
    varies = varying(run)
    if "optimizer" in varies:
        return ["optimizer"]
    components = [name for name in varies if run.trials.schema[name] == pl.String]
    held = [name for name in varies if name not in components and name in (*RECIPE, "epochs")]
    if (
        components
        and held
        and run.trials.group_by(held).agg(pl.struct(components).n_unique().alias("arms"))["arms"].min() < 2
    ):
        return varies
    return components or varies
