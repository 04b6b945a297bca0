"""The memory of this process: what it uses now, and the peak while something runs."""

from __future__ import annotations

import ctypes
import platform
import threading
from functools import cache
from types import TracebackType
from typing import Any

import psutil

from fallline.engine.devices import planned_devices, prepare_jax

SAMPLE_SECONDS = 0.01
"""The interval between samples: a step of a large model takes longer, and the arrays of a small one are small."""


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
    """mallinfo2 of glibc, which counts the heap; None with another C library, or a version before 2.33."""
    if platform.libc_ver()[0] != "glibc":
        return None
    try:
        counter = ctypes.CDLL(None).mallinfo2
    except AttributeError:
        return None
    counter.restype = _Mallinfo
    return counter


def held_bytes() -> int | None:
    """Bytes in use now: of the heap of this process on a CPU, of device memory on an accelerator; None if unknown."""
    if planned_devices() is not None:
        return None
    device = prepare_jax().devices()[0]
    if device.platform != "cpu":
        return (device.memory_stats() or {}).get("bytes_in_use")
    counter = _heap()
    if counter is None:
        return None
    heap = counter()
    return heap.uordblks + heap.hblkhd


def resident_bytes() -> int:
    """The resident set of this process now, including freed memory that the C library has kept."""
    return int(psutil.Process().memory_info().rss)


class Watch:
    """Measures the peak memory of this process while something runs, beyond ``before``: the bytes in use before it.

    On a CPU a thread samples the heap. The allocator of an accelerator keeps its own peak, which is never reset, so
    that there the peak is that of the process so far. The peak is None where memory cannot be counted.
    """

    def __init__(self, before: int | None) -> None:
        self.before = before
        self._most: int | None = None
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Watch:
        self._most = held_bytes()
        if self._most is not None and prepare_jax().default_backend() == "cpu":
            self._thread = threading.Thread(target=self._sample, name="memory", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def peak(self) -> int | None:
        """The peak in bytes, beyond ``before``, since the last call or since the start."""
        now, device = held_bytes(), prepare_jax().devices()[0]
        if now is None or self.before is None:
            return None
        if device.platform != "cpu":
            return (device.memory_stats() or {}).get("peak_bytes_in_use", now) - self.before
        most, self._most = max(now, self._most or 0), now
        return most - self.before if most > self.before else None  # None: more memory was freed than the run used

    def as_dict(self) -> dict[str, int | None]:
        """For the timing of a block: the peak while it ran, and the resident set of the process at its end, including
        packages and freed memory that the C library has kept."""
        return {"peak_memory_bytes": self.peak(), "resident_bytes": resident_bytes()}

    def _sample(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            now = held_bytes()
            if now is not None:
                self._most = max(now, self._most or 0)
