"""What is measured for each count of devices, so that compute and communication can be told apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fallline.study.device_counts import DeviceCount

ALONE, DATA, TRIAL, REDUCE = "alone", "data", "trial", "all-reduce"
"""What a row of measured times is of: one device; one batch over the devices; a trial on each; communication alone."""

SMALL_BYTES = 1024
"""The all-reduce that shows the latency."""

SIZES, SPAN = 3, 16
"""So many batch sizes are measured of a study that names none; the largest is at least so many times the smallest."""


@dataclass(frozen=True)
class Wanted:
    """One program to time. ``width`` examples a step: over all devices of "data", on each device of the others.

    ``batch`` is what was asked for; it is filled up to a ``width`` that the devices can share.
    """

    what: str
    batch: int
    width: int

    @property
    def plain(self) -> dict[str, Any]:
        return {"what": self.what, "batch": self.batch, "width": self.width}


def filled(batch: int, devices: int) -> int:
    """The least multiple of ``devices`` that holds a batch."""
    return -(-batch // devices) * devices


def wanted(count: DeviceCount, counts: Sequence[DeviceCount], sizes: Sequence[int]) -> list[Wanted]:
    """The programs of one count among ``counts``, each once, small ones first.

    On n devices: each size split over them (strong scaling), each size on every device as one batch where that is no
    larger than the largest size (weak), the same sizes and the least as a trial on every device, and what a device
    computes of each of the split batches, as a trial on every device: the same compute without communication. On one
    device: all sizes that any of them gives a device.
    """
    if count.total == 1:
        local = {
            program.width // n if program.what == DATA else program.width
            for other in counts
            if (n := other.total) > 1
            for program in wanted(other, counts, sizes)
        }
        return [Wanted(ALONE, size, size) for size in sorted(local | set(sizes))]
    n, found = count.total, dict[tuple[str, int], Wanted]()
    for program in _split(n, sizes):
        found.setdefault((program.what, program.width), program)
    for program in list(found.values()):
        found.setdefault((TRIAL, program.width // n), Wanted(TRIAL, program.width // n, program.width // n))
    for size in sizes:
        if size * n <= max(sizes) or size == min(sizes):
            found.setdefault((TRIAL, size), Wanted(TRIAL, size, size))
    return sorted(found.values(), key=lambda one: (one.width if one.what == DATA else one.width * n, one.what))


def _split(n: int, sizes: Sequence[int]) -> Iterable[Wanted]:
    for size in sizes:
        yield Wanted(DATA, size, filled(size, n))
    for size in sizes:
        if size * n <= max(sizes):
            yield Wanted(DATA, size * n, size * n)


def default_sizes(seen: Iterable[int], examples: int) -> list[int]:
    """Sizes to measure where none are named: three from the least to the largest that the study's batches have, or
    to 16 times the least, at most all ``examples``."""
    known = sorted(set(seen))
    low, high = known[0], min(max(known[-1], SPAN * known[0]), examples)
    ratio = (high / low) ** (1 / (SIZES - 1))
    return sorted({round(low * ratio**place) for place in range(SIZES)})
