"""What a run compares where nobody says: the optimizers, else its other parts, else its numbers."""

from __future__ import annotations

import polars as pl

from fallline.stats.columns import varying
from fallline.store import Run


def compared_by(run: Run) -> list[str]:
    """The columns that tell arms apart: the optimizer where it varies, else the other parts, else every number; none
    where nothing varies but the seed."""
    varies = varying(run)
    if "optimizer" in varies:
        return ["optimizer"]
    return [name for name in varies if run.trials.schema[name] == pl.String] or varies
