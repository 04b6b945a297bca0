"""Several processes that train together: they join before JAX lists its devices, and exit without waiting for peers."""

from __future__ import annotations

import os
import re
import sys
from typing import Any

from fallline.errors import ProcessError, StudyError

COORDINATOR, PROCESSES, PROCESS = "FALLLINE_COORDINATOR", "FALLLINE_PROCESSES", "FALLLINE_PROCESS"
"""The environment variables of a process: host:port of the first process, the number of processes, its own number."""

JOIN_SECONDS = 60
"""How long a process waits for the others to start."""

SILENT_SECONDS = 10
"""After how long without a heartbeat a process counts as dead."""

LOST = ("Gloo", "Connection closed by peer", "Connection reset by peer", "coordination service", "NCCL", "heartbeat")
"""Parts of the error messages that a lost peer causes."""


def count() -> int:
    """How many processes train together, by the environment; 1 where it is not set."""
    return _whole(PROCESSES, 1, 100_000) or 1


def number() -> int:
    """The number of this process, from 0; StudyError where the environment does not say."""
    if count() == 1:
        return 0
    process = _whole(PROCESS, 0, count() - 1)
    if process is None and os.environ.get("SLURM_PROCID", "").isdecimal():
        process = int(os.environ["SLURM_PROCID"])
    if process is None or process >= count():
        raise StudyError(f"{PROCESSES}={count()} needs {PROCESS}, the number of this process: 0 to {count() - 1}")
    return process


def join_processes(jax: Any) -> None:
    """Join the other processes, if the environment names any, once and before a device is used.

    StudyError where a variable is not valid. On the CPU the processes communicate through gloo, on NVIDIA GPUs through
    NCCL. JAX's preemption service is off: it would take SIGTERM, which we handle ourselves.
    """
    if count() == 1 or jax.distributed.is_initialized():
        return
    process, coordinator = number(), os.environ.get(COORDINATOR, "")
    if not re.fullmatch(r"[\w.\-\[\]:]+:\d{1,5}", coordinator):
        raise StudyError(
            f"{PROCESSES}={count()} needs {COORDINATOR}, host:port of the first process, got {coordinator[:60]!r}"
        )
    jax.config.update("jax_enable_preemption_service", False)
    host, _, port = coordinator.rpartition(":")
    loopback = host in ("127.0.0.1", "localhost")
    jax.distributed.initialize(
        coordinator,
        count(),
        process,
        initialization_timeout=JOIN_SECONDS,
        heartbeat_timeout_seconds=SILENT_SECONDS,
        shutdown_timeout_seconds=SILENT_SECONDS,
        coordinator_bind_address=f"127.0.0.1:{port}" if loopback else None,
    )


def meet(place: str) -> None:
    """Wait until all processes have reached the point of the program named ``place``."""
    if count() > 1:
        from jax.experimental.multihost_utils import sync_global_devices

        try:
            sync_global_devices(place)
        except Exception as failure:
            lost = lost_peer(failure)
            if lost:
                raise lost from failure
            raise


def lost_peer(failure: BaseException) -> ProcessError | None:
    """The error to raise where a process that trains with this one is gone; None for any other failure."""
    import jax

    if jax.process_count() == 1 or not isinstance(failure, jax.errors.JaxRuntimeError):
        return None
    if not any(word in str(failure) for word in LOST):
        return None
    return ProcessError(
        f"process {jax.process_index()} of {jax.process_count()} lost another one in the middle of a "
        "step: it died or cannot be reached. Finished work is kept; continue with the same command and "
        "--resume"
    )


def leave(code: int) -> None:
    """End this process at once: an ordinary exit would wait for peers that may be dead.

    No file is left half written: files are written under another name and renamed.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _whole(variable: str, low: int, high: int) -> int | None:
    """The integer in an environment variable; None where it is not set."""
    written = os.environ.get(variable)
    if not written:
        return None
    if not (written.isdecimal() and low <= int(written) <= high):
        raise StudyError(f"{variable} must be a whole number from {low} to {high}, got {written[:40]!r}")
    return int(written)
