"""A statistic of an open run is computed once, however many sentences, tables and figures ask for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import polars as pl

from fallline.store import Run

P = ParamSpec("P")
R = TypeVar("R")


def once(compute: Callable[P, R]) -> Callable[P, R]:
    """``compute(run, ...)``, kept with the run for each set of arguments.

    An open run reads its records once, so what follows from them does not change; the notes of interim analyses and
    claims may change, and then it is computed again. Lists and frames are returned as copies, which share their data.
    """
    name = f"{compute.__module__}.{compute.__qualname__}"

    @wraps(compute)
    def kept(run: Run, *args: Any, **named: Any) -> Any:
        known = vars(run).setdefault("_computed", {})
        key = (name, repr((args, named)), _noted(run))
        if key not in known:
            known[key] = compute(run, *args, **named)
        value = known[key]
        return value.copy() if isinstance(value, list) else value.clone() if isinstance(value, pl.DataFrame) else value

    return kept


def _noted(run: Run) -> tuple[int | None, ...]:
    """When the notes of interim analyses and claims were last written, in nanoseconds."""
    paths = (run.paths.interim_analyses, run.paths.claims) if hasattr(run, "paths") else ()
    return tuple(path.stat().st_mtime_ns if path.exists() else None for path in paths)
