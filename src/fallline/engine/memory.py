"""How much memory programs may use, and whether a failure means that memory ran out."""

from __future__ import annotations

import os

import psutil

from fallline.engine.devices import prepare_jax
from fallline.errors import StudyError

SHARE = 0.8
"""The share of the free memory that programs may use: the rest is for data, host arrays and other processes."""


class OutOfMemory(Exception):
    """A program needed more memory than is available."""


def budget_bytes() -> int | None:
    """Bytes that all concurrent programs may use; None where it is unknown. FALLLINE_MEMORY_GB overrides it."""
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
    """Whether memory ran out, by the errors of XLA, the drivers and Python."""
    if isinstance(failure, (MemoryError, OutOfMemory)):
        return True
    jax = prepare_jax()
    words = ("RESOURCE_EXHAUSTED", "Out of memory", "out of memory")
    return isinstance(failure, jax.errors.JaxRuntimeError) and any(word in str(failure) for word in words)
