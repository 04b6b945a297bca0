"""What early stopping would have kept: the rule of patience, applied afterwards to curves that ran to their end."""

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
    """At which look training would end, which look would be kept, and whether that is before the last one."""

    stop: int
    kept: int
    early: bool


def stop(values: Sequence[float | None], patience: int, up: bool = False) -> StoppingPoint:
    """The rule of patience on the values seen at each look, the first look being number 0.

    A look is an improvement where its value is strictly better (lower, or higher where ``up``) than the best before
    it; a missing value is none. Training ends at the first look that is the ``patience``-th in a row without an
    improvement, and the weights of the best look so far are kept. Where that never happens it runs to the last look,
    and the best look is kept all the same. A trial with ``early_stop`` ends by the same rule, with the results of the
    step it ends at. Source: Prechelt, Early stopping - but when?, 1998, whose criterion UP_s counts rises over the
    strip before; counting from the best, as here, is the form in common use.

    >>> stop([0.9, 0.5, 0.6, 0.4, 0.7], patience=1), stop([0.9, 0.5, 0.6, 0.4, 0.7], patience=2)
    (Stop(stop=2, kept=1, early=True), Stop(stop=4, kept=3, early=False))
    """
    best: float | None = None
    kept = -1
    for look, value in enumerate(values):
        if value is not None and value == value and (best is None or (value > best if up else value < best)):
            best, kept = value, look
        elif look - kept >= patience:
            return StoppingPoint(look, max(kept, 0), look < len(values) - 1)
    return StoppingPoint(len(values) - 1, max(kept, 0), False)


def stops(looks: pl.DataFrame, patiences: Sequence[int] = PATIENCES, up: bool = False) -> pl.DataFrame:
    """One row a (trial, patience) for curves with columns trial, step, watched and value, a row a look.

    ``watched`` is what the rule looks at, ``value`` what is read at the kept look and at the last one; ``difference``
    is kept minus last. ``steps_saved`` are those from the stop to the last look.
    """
    rows = []
    for (trial,), own in looks.sort("step").group_by("trial", maintain_order=True):
        steps, watched, value = (own[name].to_list() for name in ("step", "watched", "value"))
        for patience in patiences:
            found = stop(watched, patience, up)
            kept, last = value[found.kept], value[-1]
            gap = None if kept is None or last is None else kept - last
            ends = (steps[found.stop], steps[found.kept], kept, steps[-1], last, gap, steps[-1] - steps[found.stop])
            rows.append((trial, patience, found.early, *ends))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")
