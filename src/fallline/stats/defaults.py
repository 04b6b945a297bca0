"""The arm "all defaults": an optimizer with all its hyperparameters at their defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

TRIED, MISSING, NO_DEFAULT, UNKNOWN = "tried", "missing", "no default", "unknown"


@dataclass(frozen=True)
class Defaults:
    """Whether the study tried an optimizer with all its defaults.

    ``state`` is "tried" (``best`` is the ranked row), "missing", "no default" (the hyperparameters ``without`` have
    none, so there is no such arm; ``best`` is the best row with all others at theirs, if any), or "unknown" (an
    optimizer that is not built in, or an older folder).
    """

    state: str
    hyperparameters: dict[str, float]
    without: tuple[str, ...]
    best: dict[str, Any] | None


def defaults(rows: pl.DataFrame) -> Defaults:
    """The defaults of the one optimizer whose ranked configurations are ``rows``.

    Only the optimizer's own hyperparameters count: batch, budget and schedule are the study's. Numbers are equal to one
    part in 10^6, since some records are float32.
    """
    from fallline.optimizers import builtin_optimizers  # imports JAX, which nothing else here needs

    names = rows["optimizer"].unique().to_list()
    optimizer = builtin_optimizers().get(names[0]) if len(names) == 1 else None
    if optimizer is None or any(
        hyperparameter.name not in rows.columns or hyperparameter.many for hyperparameter in optimizer.hyperparameters
    ):
        return Defaults(UNKNOWN, {}, (), None)
    hyperparameters = {
        hyperparameter.name: hyperparameter.default
        for hyperparameter in optimizer.hyperparameters
        if hyperparameter.default is not None
    }
    without = tuple(
        hyperparameter.name
        for hyperparameter in optimizer.hyperparameters
        if hyperparameter.default is None and not hyperparameter.optional
    )
    at_default = [(pl.col(name) - value).abs() <= 1e-6 * abs(value) for name, value in hyperparameters.items()]
    at_default += [
        pl.col(hyperparameter.name).is_null()
        for hyperparameter in optimizer.hyperparameters
        if hyperparameter.default is None and hyperparameter.optional
    ]
    rows_at_defaults = rows.filter(pl.all_horizontal(pl.lit(True), *at_default)).sort("rank")
    state = NO_DEFAULT if without else MISSING if rows_at_defaults.is_empty() else TRIED
    return Defaults(
        state, hyperparameters, without, rows_at_defaults.row(0, named=True) if rows_at_defaults.height else None
    )
