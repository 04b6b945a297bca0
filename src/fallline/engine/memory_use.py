"""The memory of this process: what it holds now, and what it held at most while something ran."""

from __future__ import annotations

import ctypes
import platform
import threading
from functools import cache
from types import TracebackType
from typing import Any

import psutil

from fallline.engine.devices import planned_devices, prepare_jax

LOOK_SECONDS = 0.01
"""How often the sampler looks: a step of a large model takes longer, an array of a small one is small."""


class _Mallinfo(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        )
    ]


@cache
def _heap() -> Any:
    """glibc's counter of the heap; None with another C library, or one older than 2.33."""
    if platform.libc_ver()[0] != "glibc":
        return None
    try:
        counter = ctypes.CDLL(None).mallinfo2
    except AttributeError:
        return None
    counter.restype = _Mallinfo
    return counter


def held_bytes() -> int | None:
    """What is in use now: of the heap of this process on a CPU, of the device's memory on an accelerator."""
    if planned_devices() is not None:
        return None
    device = prepare_jax().devices()[0]
    if device.platform != "cpu":
        return (device.memory_stats() or {}).get("bytes_in_use")
    counter = _heap()
    if counter is None:
        return None
    told = counter()
    return told.uordblks + told.hblkhd


def resident_bytes() -> int:
    """The resident set of this process now, including freed memory that the C library has kept."""
    return int(psutil.Process().memory_info().rss)


class Watch:
    """Watches what this process holds while something runs, beyond ``before``: what it held before there was any of it.

    On a CPU a thread looks every few milliseconds; an accelerator's allocator keeps its own peak, which is never reset,
    so there a peak is that of the process so far. Nothing is told where nothing counts.
    """

    def __init__(self, before: int | None) -> None:
        self.before = before
        self._most: int | None = None
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Watch:
        self._most = held_bytes()
        if self._most is not None and prepare_jax().default_backend() == "cpu":
            self._thread = threading.Thread(target=self._look, name="memory", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def peak(self) -> int | None:
        """Bytes in use at most, beyond ``before``, since the last call or since the watch began."""
        now, device = held_bytes(), prepare_jax().devices()[0]
        if now is None or self.before is None:
            return None
        if device.platform != "cpu":
            return (device.memory_stats() or {}).get("peak_bytes_in_use", now) - self.before
        most, self._most = max(now, self._most or 0), now
        return most - self.before if most > self.before else None  # more was freed meanwhile than the run took

    def as_dict(self) -> dict[str, int | None]:
        """For the timing of a block: the peak while it ran, and what the system counts as the process's memory at its
        end, with its packages and what the C library keeps of what was freed."""
        return {"peak_memory_bytes": self.peak(), "resident_bytes": resident_bytes()}

    def _look(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            now = held_bytes()
            if now is not None:
                self._most = max(now, self._most or 0)
