"""Who read the test split of a run, when, and for which configurations, chosen by what."""

from __future__ import annotations

import datetime
import getpass
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from fallline.errors import StoreError
from fallline.store.files import read_json, write_json
from fallline.store.paths import RunPaths
from fallline.store.place import check_there
from fallline.study.trial import digest

REMEDY = "remove it; nobody can tell then how often the test split of this run was read"

CHOSEN, NAMED, ALL = "chosen", "named", "all"
"""What test was read for: configurations chosen on other data, those that the study's claims and reported figures name,
every trial at once."""


@dataclass(frozen=True)
class Pick:
    """The configuration that was chosen for an arm: the settings that name the arm, and the recipe, in what varies.

    ``configuration`` names the whole recipe: 16 hexadecimal digits.
    """

    arm: dict[str, Any]
    configuration: str
    recipe: dict[str, Any]

    @property
    def arm_name(self) -> str:
        return digest(self.arm)


@dataclass(frozen=True)
class Access:
    """Somebody's readings: ``who`` ("fallline report", "python"), which ``user``, from ``first`` to ``last`` (UTC)."""

    who: str
    user: str
    first: str
    last: str
    times: int = 1


@dataclass(frozen=True)
class HeldOutRead:
    """Test values of ``picks`` that the metric ``chosen_by`` chose, or of what the study ``named`` (the hash of its
    claims and reported figures), or of every trial; and all accesses to them.
    """

    kind: str
    chosen_by: str = ""
    picks: tuple[Pick, ...] = ()
    named: str = ""
    reads: tuple[Access, ...] = ()

    @property
    def configurations(self) -> frozenset[str]:
        return frozenset(pick.configuration for pick in self.picks)

    @property
    def times(self) -> int:
        return sum(read.times for read in self.reads)

    @property
    def first(self) -> Access:
        return min(self.reads, key=lambda read: read.first)

    def against(self, other: HeldOutRead) -> bool:
        """Whether both choose and do not agree: by another metric, or another configuration for the same arm."""
        if self.kind != CHOSEN or other.kind != CHOSEN:
            return False
        theirs = {pick.arm_name: pick.configuration for pick in other.picks}
        return self.chosen_by != other.chosen_by or any(
            theirs.get(pick.arm_name, pick.configuration) != pick.configuration for pick in self.picks
        )


def readings(paths: RunPaths) -> tuple[HeldOutRead, ...]:
    """Every reading that the run folder notes, in the order of their first access."""
    if not paths.test_reads.exists():
        return ()
    rows = read_json(paths.test_reads, REMEDY)
    try:
        return tuple(_reading(row) for row in rows)
    except (LookupError, TypeError, ValueError):
        raise StoreError(f"{paths.test_reads} was damaged after it was written: {REMEDY}") from None


def note_test_read(paths: RunPaths, reading: HeldOutRead, who: str) -> HeldOutRead:
    """Note that ``who`` reads; the reading as it stands in the folder then.

    Nothing that was noted is taken back. What was read before by the same choice is counted there: the same
    configurations, or some of them. StoreError where the folder cannot be written.
    """
    check_there(paths.root)
    noted = list(readings(paths))
    place = _same(noted, reading)
    if place is None:
        place = len(noted)
        noted.append(replace(reading, reads=()))
    noted[place] = replace(noted[place], reads=_counted(noted[place].reads, who, _user(), _now()))
    write_json(paths.test_reads, [asdict(read) for read in noted])
    return noted[place]


def _same(noted: Sequence[HeldOutRead], reading: HeldOutRead) -> int | None:
    """Where the same was read before; what agrees wholly comes before what holds more."""
    alike = [
        place
        for place, one in enumerate(noted)
        if (one.kind, one.chosen_by, one.named) == (reading.kind, reading.chosen_by, reading.named)
        and reading.configurations <= one.configurations
        and not reading.against(one)
    ]
    return min(alike, key=lambda place: len(noted[place].configurations), default=None)


def _counted(reads: Sequence[Access], who: str, user: str, now: str) -> tuple[Access, ...]:
    """The accesses with one more."""
    for place, read in enumerate(reads):
        if (read.who, read.user) == (who, user):
            return (*reads[:place], replace(read, last=now, times=read.times + 1), *reads[place + 1 :])
    return (*reads, Access(who, user, now, now))


def _reading(row: dict[str, Any]) -> HeldOutRead:
    picks = tuple(Pick(dict(pick["arm"]), str(pick["configuration"]), dict(pick["recipe"])) for pick in row["picks"])
    reads = tuple(
        Access(str(read["who"]), str(read["user"]), str(read["first"]), str(read["last"]), int(read["times"]))
        for read in row["reads"]
    )
    if not reads:
        raise ValueError("a reading was read")
    return HeldOutRead(str(row["kind"]), str(row["chosen_by"]), picks, str(row["named"]), reads)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _user() -> str:
    """The user and the machine, as far as they are known."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):
        user = "unknown"
    return f"{user}@{socket.gethostname()}"
