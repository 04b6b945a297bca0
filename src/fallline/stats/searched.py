"""The scale of a hyperparameter that was searched, as its values show it."""

from __future__ import annotations

import numpy as np
import polars as pl

WIDE = 20.0
"""From this ratio of the largest to the smallest value on, a scale is logarithmic."""

LINEAR, LOG, CLOSE_TO_1 = "linear", "log", "log of 1 - x"


def scale_of(values: pl.Series) -> str:
    """``LOG`` where they span more than ``WIDE``; ``CLOSE_TO_1`` where 1 - value does, as for momentum and beta2."""
    if is_wide(values):
        return LOG
    return CLOSE_TO_1 if is_wide(1 - values.cast(pl.Float64)) else LINEAR


def is_wide(values: pl.Series) -> bool:
    """Whether values that are all above 0 span more than ``WIDE``."""
    known = values.drop_nulls()
    return not known.is_empty() and known.min() > 0 and known.max() / known.min() > WIDE


def units_of(values: pl.Series) -> np.ndarray:
    """The places of values between the smallest (0) and the largest (1), on their scale."""
    found = values.cast(pl.Float64).to_numpy()
    scale = scale_of(values)
    found = np.log(found) if scale == LOG else -np.log(1 - found) if scale == CLOSE_TO_1 else found
    low, high = found.min(), found.max()
    return (found - low) / (high - low) if high > low else np.full(len(found), 0.5)
