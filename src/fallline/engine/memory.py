"""How much memory there is for programs, and whether a failure means that it ran out."""

from __future__ import annotations

import os

import psutil

from fallline.engine.devices import prepare_jax
from fallline.errors import StudyError

SHARE = 0.8
"""Of the memory that is free, what programs may hold: the rest is for the data, the host's arrays and other people."""


class OutOfMemory(Exception):
    """A program needed more memory than there is."""


def budget_bytes() -> int | None:
    """What all programs that run at once may hold; None where nothing tells. FALLLINE_MEMORY_GB sets it by hand."""
    written = os.environ.get("FALLLINE_MEMORY_GB")
    if written:
        try:
            budget = float(written) * 1e9
        except ValueError:
            budget = -1.0
        if not 0 < budget < 1e18:
            raise StudyError(f"FALLLINE_MEMORY_GB must be a number of gigabytes > 0, got {written!r}")
        return int(budget)
    free = _free_bytes()
    return None if free is None else int(SHARE * free)


def _free_bytes() -> int | None:
    device = prepare_jax().devices()[0]
    if device.platform != "cpu":
        stats = device.memory_stats() or {}
        limit, used = stats.get("bytes_limit"), stats.get("bytes_in_use", 0)
        return None if limit is None else limit - used
    return int(psutil.virtual_memory().available)


def ran_out(failure: BaseException) -> bool:
    """Whether the failure is one of memory, as XLA, the drivers and Python tell it."""
    if isinstance(failure, (MemoryError, OutOfMemory)):
        return True
    jax = prepare_jax()
    words = ("RESOURCE_EXHAUSTED", "Out of memory", "out of memory")
    return isinstance(failure, jax.errors.JaxRuntimeError) and any(word in str(failure) for word in words)
