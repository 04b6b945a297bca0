"""Folders that are written into and must stay where they are: one that was moved away is never made a second time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fallline.errors import StoreError

_HELD: list[Place] = []


class Place:
    """A folder with a handle on it: the handle goes where the folder goes, its name does not."""

    def __init__(self, root: Path):
        self.root, self.path = root, os.path.abspath(root)
        self.handle = os.open(root, os.O_RDONLY)
        self.identity = _identity(os.fstat(self.handle))

    def check(self) -> None:
        """StoreError where another folder, or none, has its name now."""
        try:
            there = _identity(os.stat(self.path)) == self.identity
        except OSError:
            there = False
        if not there:
            raise StoreError(
                f"the folder {self.root} was moved, renamed or removed while this run wrote into it"
                f"{self._where()}; this run ends, and what it had written is kept there. Continue with the "
                "same command, --resume and --out with the folder's new place"
            )

    def make(self, folder: Path) -> None:
        """Make a folder inside this one, and those between, but never this one."""
        self.check()
        inside = Path(os.path.relpath(folder, self.path))
        made = Path(self.path)
        for name in inside.parts:
            made /= name
            made.mkdir(exist_ok=True)

    def remove(self, name: str) -> None:
        """Remove a file of it, wherever the folder is now."""
        with suppress(OSError):  # it is gone, or nobody may
            os.unlink(name, dir_fd=self.handle)

    def read(self, name: str, most: int) -> bytes | None:
        """What a file of it holds, wherever the folder is now; None where it is gone."""
        try:
            handle = os.open(name, os.O_RDONLY, dir_fd=self.handle)
        except OSError:
            return None
        with os.fdopen(handle, "rb") as file:
            return file.read(most)

    def _where(self) -> str:
        """Where it is now, on systems that tell."""
        try:
            now = os.readlink(f"/proc/self/fd/{self.handle}")
        except OSError:
            return ""
        return "" if now == self.path or now.endswith(" (deleted)") else f" (it is {now} now)"


def hold(root: Path) -> Place:
    """From now on what is written below ``root`` is written into this very folder, or is an error."""
    place = Place(root)
    _HELD.append(place)
    return place


def let_go(place: Place) -> None:
    """The end of ``hold``."""
    if place in _HELD:
        _HELD.remove(place)
        os.close(place.handle)


@contextmanager
def held(root: Path) -> Iterator[Place | None]:
    """``hold`` for a while; of a folder that is not there nothing is held."""
    try:
        place = hold(root)
    except OSError:
        yield None
        return
    try:
        yield place
    finally:
        let_go(place)


def check_there(root: Path) -> None:
    """StoreError where there is no such folder: what is noted of a run never makes one."""
    if not root.is_dir():
        raise StoreError(f"the folder {root} was moved, renamed or removed; open the run where it is now")


def check_held(path: Path) -> None:
    """StoreError where ``path`` lies in a folder that is held and has moved: what could not be written says so."""
    if (place := _around(path)) is not None:
        place.check()


def make_folder(folder: Path) -> None:
    """Make a folder and those around it; of a folder that is held only what lies inside. StoreError, OSError."""
    if (place := _around(folder)) is not None:
        return place.make(Path(os.path.abspath(folder)))
    folder.mkdir(parents=True, exist_ok=True)


def _around(path: Path) -> Place | None:
    """The folder that is held and has ``path`` in it, or is it."""
    inside = os.path.abspath(path)
    return next(
        (place for place in reversed(_HELD) if inside == place.path or inside.startswith(place.path + os.sep)), None
    )


def _identity(seen: os.stat_result) -> tuple[int, int]:
    return seen.st_dev, seen.st_ino
