"""The configurations for which the held-out test set is evaluated: those selected on other data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import polars as pl

from fallline.errors import FalllineError
from fallline.stats.best_of import best_of
from fallline.stats.columns import metric_columns, recipe_columns, trials_of, varying
from fallline.stats.compare import Compared, compared
from fallline.stats.metric import primary
from fallline.stats.question import compared_by
from fallline.store import Run
from fallline.store.test_reads import CHOSEN, HeldOutRead, Pick
from fallline.study.test_leakage import on_test, refuse_test
from fallline.study.trial import digest

__all__ = ["chosen_alone", "chosen_by_run", "chosen_for", "has_test", "refuse_test"]


def has_test(run: Run) -> bool:
    """Whether some trial has a value on the test split."""
    return any(on_test(name) for name in metric_columns(trials_of(run)))


def chosen_for(found: Compared) -> HeldOutRead:
    """What a comparison evaluates on test: of each arm the configuration with the best mean over all seeds."""
    return HeldOutRead(CHOSEN, found.chosen_by.column, _picks(found.run, found.chosen))


def chosen_by_run(run: Run, best: pl.DataFrame | None = None) -> HeldOutRead:
    """What the report of a run evaluates on test: each compared arm at its best, and the best configuration of each
    optimizer (``best``, as ``best_of`` returns it)."""
    best = best_of(run) if best is None else best
    kept = best.filter(pl.col("diverged") < pl.col("trials"))
    metric = primary(run)
    names = {"best of optimizer": "optimizer", **({metric.within: metric.within} if metric.within else {})}
    picks = _picks(run, [({key: row[name] for key, name in names.items()}, row) for row in kept.iter_rows(named=True)])
    by = compared_by(run)
    if by:
        with suppress(FalllineError):  # nothing to compare
            picks = (*chosen_for(compared(run, by)).picks, *picks)
    return HeldOutRead(CHOSEN, metric.column, tuple(picks))


def chosen_alone(run: Run, ranked: pl.DataFrame, best: pl.DataFrame) -> pl.DataFrame:
    """``ranked``, one row per configuration, with test values of the selected ones only; unchanged where test ranks.

    ``best`` is its best row of each optimizer.
    """
    tested = [name for name in ranked.columns if on_test(name)]
    if not tested or on_test(primary(run).column):
        return ranked
    reading = chosen_by_run(run, best)
    keys = recipe_columns(trials_of(run))
    read = pl.Series(
        [_configuration(keys, row) in reading.configurations for row in ranked.iter_rows(named=True)], dtype=pl.Boolean
    )
    return ranked.with_columns(pl.when(read).then(pl.col(name)).alias(name) for name in tested)


def _picks(run: Run, rows: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> tuple[Pick, ...]:
    keys, varies = recipe_columns(trials_of(run)), varying(run)
    return tuple(
        Pick(dict(arm), _configuration(keys, row), {name: row[name] for name in varies if row.get(name) is not None})
        for arm, row in rows
    )


def _configuration(keys: Iterable[str], row: Mapping[str, Any]) -> str:
    """A digest of the recipe; columns without a value are left out, so that digests stay when a study is extended."""
    return digest({name: row[name] for name in keys if row[name] is not None})
