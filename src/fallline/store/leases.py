"""Leases: who trains a block just now, so that jobs do not do the same twice. They are soft: nothing is lost without.

A lease is renewed while its holder lives. Whoever finds one that is its own job's from before, of a process that is
gone, or not renewed for ``STALE_SECONDS``, takes it over; two that train one block write the same records.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

from fallline.store.files import write_json
from fallline.store.lock import Owner, owner_of, this_process
from fallline.store.paths import RunPaths

STALE_SECONDS = 30.0
RENEW_SECONDS = 5.0


class Leases:
    """The leases of one process; ``job`` is what its scheduler calls it, the same after a restart."""

    def __init__(self, paths: RunPaths, job: str = ""):
        self.paths = paths
        self.me = replace(this_process(), token=job)
        self._held: set[str] = set()
        self._over = threading.Event()
        self._renewing = threading.Thread(target=self._renew, daemon=True)

    def __enter__(self) -> Leases:
        self._renewing.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for block in self._held:
            self.paths.lease(block).unlink(missing_ok=True)

    def take(self, block: str) -> bool:
        """Whether the block is ours to train."""
        path = self.paths.lease(block)
        if block not in self._held and path.exists() and _is_live(path, self.me, _now(path.parent)):
            return False
        write_json(path, asdict(self.me))
        self._held.add(block)
        return _owner(path) in (self.me, None)

    def _renew(self) -> None:
        while not self._over.wait(RENEW_SECONDS):
            for block in tuple(self._held):
                with suppress(OSError):  # taken away or unreachable: it goes stale, at worst a block is trained twice
                    os.utime(self.paths.lease(block))


def live(paths: RunPaths) -> list[str]:
    """The blocks that are being trained by jobs just now, as far as can be seen."""
    found = list(paths.lease("").parent.glob("*.json"))
    now = _now(found[0].parent) if found else 0.0
    return [path.stem for path in found if _is_live(path, None, now)]


def _is_live(path: Path, me: Owner | None, now: float) -> bool:
    """Whether someone else holds the lease in ``path``."""
    owner = _owner(path)
    if owner is None or owner.place == "gone" or (me is not None and owner.token and owner.token == me.token):
        return False
    try:
        return abs(now - path.stat().st_mtime) < STALE_SECONDS  # a clock set back makes none live for long
    except OSError:
        return False


def _owner(path: Path) -> Owner | None:
    try:
        return owner_of(path)
    except OSError:
        return None


def _now(folder: Path) -> float:
    """The time by the clock of whoever keeps the files, which may be another machine's."""
    me = this_process()
    clock = folder / f".clock-{me.host}-{me.pid}-{threading.get_ident()}"
    try:
        clock.touch()
        return clock.stat().st_mtime
    except OSError:  # a folder that cannot be written
        return time.time()
    finally:
        clock.unlink(missing_ok=True)
