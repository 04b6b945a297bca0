"""How many devices, on how many hosts: "4", or "2x3" for two hosts with three each."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from fallline.errors import HyperparameterError

MOST = 256
"""Devices in one count; a CPU is not divided into more."""


@dataclass(frozen=True, order=True)
class DeviceCount:
    """``devices`` on each of ``hosts``; on one machine a host is a process group."""

    hosts: int
    devices: int

    @property
    def total(self) -> int:
        return self.hosts * self.devices

    @property
    def text(self) -> str:
        return str(self.devices) if self.hosts == 1 else f"{self.hosts}x{self.devices}"

    @property
    def in_words(self) -> str:
        """In words: "1 device", "4 devices", "2 hosts of 3"."""
        if self.hosts > 1:
            return f"{self.hosts} hosts of {self.devices}"
        return f"{self.devices} device{'' if self.devices == 1 else 's'}"


def parse_count(written: int | str, where: str = "devices") -> DeviceCount:
    """The count that ``written`` means; HyperparameterError where it means none.

    >>> parse_count("2x3").total
    6
    """
    match = re.fullmatch(r"(?:(\d{1,9})x)?(\d{1,9})", str(written).strip())
    law = "a count of devices is a whole number >= 1, or HOSTSxDEVICES such as 2x3"
    if match is None or isinstance(written, bool):
        raise HyperparameterError(f"{law}; got {str(written)[:60]!r} ({where})")
    count = DeviceCount(int(match[1] or 1), int(match[2]))
    if count.total < 1:
        raise HyperparameterError(f"{law}; got {written} ({where})")
    if count.total > MOST:
        raise HyperparameterError(f"at most {MOST:,} devices are measured, got {count.total:,} ({where})")
    return count


def parse_counts(written: str | Iterable[int | str | DeviceCount], where: str = "devices") -> list[DeviceCount]:
    """The counts of "1,2,4,2x3" or of a list, each once; one device, the reference, comes first."""
    parts = written.split(",") if isinstance(written, str) else list(written)
    counts = [part if isinstance(part, DeviceCount) else parse_count(part, where) for part in parts]
    if not counts:
        raise HyperparameterError(f"no count of devices is given ({where}); write 1,2,4, for example")
    return sorted({DeviceCount(1, 1), *counts})
