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

    An open run reads its records once, so what follows from them stays as it is; what was noted since of looks and
    claims is asked for anew. Lists and frames are handed out as copies, which share their columns.
    """
    name = f"{compute.__module__}.{compute.__qualname__}"

    @wraps(compute)
    def kept(run: Run, *args: Any, **named: Any) -> Any:
        known = vars(run).setdefault("_computed", {})
        key = (name, repr((args, named)), _noted(run))
        if key not in known:
            known[key] = compute(run, *args, **named)
        found = known[key]
        return found.copy() if isinstance(found, list) else found.clone() if isinstance(found, pl.DataFrame) else found

    return kept


def _noted(run: Run) -> tuple[int | None, ...]:
    """When the notes beside the records were last written, in nanoseconds."""
    paths = (run.paths.interim_analyses, run.paths.claims) if hasattr(run, "paths") else ()
    return tuple(path.stat().st_mtime_ns if path.exists() else None for path in paths)
