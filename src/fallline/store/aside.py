"""Beginning anew: what a run folder holds is put aside under another name beside it; nothing is removed."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

from fallline.errors import StoreError
from fallline.store.files import cannot_write
from fallline.store.leases import live
from fallline.store.lock import Lock
from fallline.store.paths import RunPaths


def put_aside(root: Path) -> Path | None:
    """Rename the run folder ``root`` to ``root-before-1`` (2, 3, ... where that is taken); where it is now.

    None where there is nothing to put aside. StoreError where another process writes there, where the folder is none of
    a run, and where it cannot be renamed.
    """
    given, root = root, root.absolute()
    paths = RunPaths(root)
    if not root.is_dir() or not any(root.iterdir()):
        return None
    if root.is_symlink() or not any(path.exists() for path in (paths.plan, paths.study, paths.search)):
        raise StoreError(f"{root} is not a run folder, so --fresh leaves it alone; choose another folder with --out")
    if busy := live(paths):
        raise StoreError(
            f"{len(busy)} blocks of the run in {root} are being trained just now, so it cannot be put "
            f"aside; end them with fallline cancel {root}"
        )
    lock = Lock(paths.lock)
    lock.take()  # whoever writes there goes first
    try:
        aside = next(
            path
            for number in itertools.count(1)
            if not os.path.lexists(path := root.with_name(f"{root.name}-before-{number}"))
        )
        os.rename(root, aside)
    except OSError as failure:
        lock.release()
        raise StoreError(cannot_write(root, failure)) from failure
    lock.path = RunPaths(aside).lock
    lock.release()
    return given.with_name(aside.name) if given.name else aside
