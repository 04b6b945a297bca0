"""Early stopping by patience, applied afterwards to curves that were trained to the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

PATIENCES = (1, 2, 3, 5)

SCHEMA = {
    "trial": pl.String,
    "patience": pl.Int64,
    "early": pl.Boolean,
    "stop_step": pl.Int64,
    "kept_step": pl.Int64,
    "kept_value": pl.Float64,
    "last_step": pl.Int64,
    "last_value": pl.Float64,
    "difference": pl.Float64,
    "steps_saved": pl.Int64,
}


class StoppingPoint(NamedTuple):
    """The evaluation at which training stops, the one that is kept, and whether it stops before the last one."""

    stop: int
    kept: int
    early: bool


def stop(values: Sequence[float | None], patience: int, up: bool = False) -> StoppingPoint:
    """Early stopping on the value of each evaluation, counted from 0.

    An evaluation improves where its value is strictly better (lower, or higher where ``up``) than the best before it;
    a missing value does not. Training stops at the ``patience``-th evaluation in a row without an improvement, and the
    weights of the best evaluation so far are kept. Where that never happens training runs to the last evaluation, and
    the best one is kept all the same. A trial with ``early_stop`` stops by the same rule, with the results of the step
    at which it stops. Source: Prechelt, Early stopping - but when?, 1998, whose criterion UP_s counts increases over
    successive strips; counting from the best value, as here, is the common form.

    >>> stop([0.9, 0.5, 0.6, 0.4, 0.7], patience=1), stop([0.9, 0.5, 0.6, 0.4, 0.7], patience=2)
    (StoppingPoint(stop=2, kept=1, early=True), StoppingPoint(stop=4, kept=3, early=False))
    """
    best: float | None = None
    kept = -1
    for evaluation, value in enumerate(values):
        if value is not None and value == value and (best is None or (value > best if up else value < best)):
            best, kept = value, evaluation
        elif evaluation - kept >= patience:
            return StoppingPoint(evaluation, max(kept, 0), evaluation < len(values) - 1)
    return StoppingPoint(len(values) - 1, max(kept, 0), False)


def stops(looks: pl.DataFrame, patiences: Sequence[int] = PATIENCES, up: bool = False) -> pl.DataFrame:
    """One row per trial and patience, for curves with columns trial, step, watched and value, one row per evaluation.

    ``watched`` is the monitored metric, ``value`` the metric reported at the kept and at the last evaluation;
    ``difference`` is kept minus last. ``steps_saved`` are those from the stop to the last evaluation.
    """
    rows = []
    for (trial,), own in looks.sort("step").group_by("trial", maintain_order=True):
        steps, watched, value = (own[name].to_list() for name in ("step", "watched", "value"))
        for patience in patiences:
            point = stop(watched, patience, up)
            kept, last = value[point.kept], value[-1]
            gap = None if kept is None or last is None else kept - last
            ends = (steps[point.stop], steps[point.kept], kept, steps[-1], last, gap, steps[-1] - steps[point.stop])
            rows.append((trial, patience, point.early, *ends))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")
