"""The arm "all defaults": what an optimizer does with every number as it comes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

TRIED, MISSING, NO_DEFAULT, UNKNOWN = "tried", "missing", "no default", "unknown"


@dataclass(frozen=True)
class Defaults:
    """Whether the study tried an optimizer with all its defaults.

    ``state`` is "tried" (``best`` is the ranked row), "missing", "no default" (the numbers ``without`` have none, so
    there is no such arm; ``best`` is the best row with all others at theirs, if any), or "unknown" (a rule that is not
    one of ours, or an older folder).
    """

    state: str
    hyperparameters: dict[str, float]
    without: tuple[str, ...]
    best: dict[str, Any] | None


def defaults(rows: pl.DataFrame) -> Defaults:
    """The defaults of the one optimizer whose ranked configurations are ``rows``.

    Only the optimizer's own numbers are asked for: batch, budget and schedule are the study's. Numbers count as equal
    to one part in 10^6: records are float32 in places.
    """
    from fallline.optimizers import builtin_optimizers  # with it comes JAX, which nothing else here needs

    names = rows["optimizer"].unique().to_list()
    known = builtin_optimizers().get(names[0]) if len(names) == 1 else None
    if known is None or any(number.name not in rows.columns or number.many for number in known.hyperparameters):
        return Defaults(UNKNOWN, {}, (), None)
    hyperparameters = {number.name: number.default for number in known.hyperparameters if number.default is not None}
    without = tuple(number.name for number in known.hyperparameters if number.default is None and not number.optional)
    usual = [(pl.col(name) - value).abs() <= 1e-6 * abs(value) for name, value in hyperparameters.items()]
    usual += [pl.col(one.name).is_null() for one in known.hyperparameters if one.default is None and one.optional]
    kept = rows.filter(pl.all_horizontal(pl.lit(True), *usual)).sort("rank")
    state = NO_DEFAULT if without else MISSING if kept.is_empty() else TRIED
    return Defaults(state, hyperparameters, without, kept.row(0, named=True) if kept.height else None)
