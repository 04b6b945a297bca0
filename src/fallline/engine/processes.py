"""Several processes as one machine: joined before JAX looks at its devices, left without waiting for a dead peer."""

from __future__ import annotations

import os
import re
import sys
from typing import Any

from fallline.errors import ProcessError, StudyError

COORDINATOR, PROCESSES, PROCESS = "FALLLINE_COORDINATOR", "FALLLINE_PROCESSES", "FALLLINE_PROCESS"
"""The variables that tell a process who it trains with: host:port of the first, how many there are, which one it is."""

JOIN_SECONDS = 60
"""How long a process waits for the others to appear."""

SILENT_SECONDS = 10
"""How long a process may be silent before the others take it for dead."""

LOST = ("Gloo", "Connection closed by peer", "Connection reset by peer", "coordination service", "NCCL", "heartbeat")
"""Words of the failures that a lost peer causes."""


def count() -> int:
    """How many processes train together, by the environment; 1 where it names none."""
    return _whole(PROCESSES, 1, 100_000) or 1


def number() -> int:
    """Which of them this is; StudyError where the environment does not say."""
    if count() == 1:
        return 0
    found = _whole(PROCESS, 0, count() - 1)
    if found is None and os.environ.get("SLURM_PROCID", "").isdecimal():
        found = int(os.environ["SLURM_PROCID"])
    if found is None or found >= count():
        raise StudyError(f"{PROCESSES}={count()} needs {PROCESS}, which of them this one is: 0 to {count() - 1}")
    return found


def join_processes(jax: Any) -> None:
    """Join the others where the environment names some, once, before a device is asked for.

    StudyError where the variables are not what they must be. On the CPU the processes talk through gloo, on NVIDIA
    GPUs through NCCL. JAX's own notice of preemption is off: it would swallow SIGTERM, which is ours to hear.
    """
    if count() == 1 or jax.distributed.is_initialized():
        return
    own, coordinator = number(), os.environ.get(COORDINATOR, "")
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
        own,
        initialization_timeout=JOIN_SECONDS,
        heartbeat_timeout_seconds=SILENT_SECONDS,
        shutdown_timeout_seconds=SILENT_SECONDS,
        coordinator_bind_address=f"127.0.0.1:{port}" if loopback else None,
    )


def meet(place: str) -> None:
    """Wait for all processes at this place of the program."""
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
        "step: it died or cannot be reached. What was done is kept: go on with the same command and "
        "--resume"
    )


def leave(code: int) -> None:
    """End a process whose peers may be gone, at once: an ordinary exit would wait for them.

    Nothing is left to do then: files are written aside and renamed.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _whole(variable: str, low: int, high: int) -> int | None:
    """The whole number in a variable of the environment; None where it is not set."""
    written = os.environ.get(variable)
    if not written:
        return None
    if not (written.isdecimal() and low <= int(written) <= high):
        raise StudyError(f"{variable} must be a whole number from {low} to {high}, got {written[:40]!r}")
    return int(written)
