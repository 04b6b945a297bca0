"""The user's cache folder and the small files kept in it; any of them may be missing, torn or deleted at any time."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from platformdirs import user_cache_path


def cache_folder() -> Path:
    """The folder of everything that is cached: FALLLINE_CACHE, or the one that the system has for caches."""
    chosen = os.environ.get("FALLLINE_CACHE")
    return Path(chosen) if chosen else user_cache_path("fallline")


def cached(kind: str, name: str) -> Path:
    """The path of the cached file ``name`` of that ``kind``, whether it exists or not."""
    return cache_folder() / kind / name


def get(path: Path, touch: bool = False) -> bytes | None:
    """The content of a cached file; None where it does not exist or cannot be read.

    ``touch`` marks it as just used, for ``prune``.
    """
    try:
        content = path.read_bytes()
        if touch:
            os.utime(path)
    except OSError:
        return None
    return content


def put(path: Path, content: bytes, most: int | None = None) -> None:
    """Write a cached file in one step, so that no other process reads half of it; nothing where it cannot be written.

    Of its kind the ``most`` recently used files are kept, or all.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
        if most is not None:
            prune(path.parent, most)
    except OSError:
        return


def prune(folder: Path, most: int) -> None:
    """Delete all files of the folder but the ``most`` recently used ones."""
    used: list[tuple[float, Path]] = []
    for file in folder.iterdir():
        try:
            used.append((file.stat().st_mtime, file))
        except FileNotFoundError:  # another process pruned it
            continue
    for _, file in sorted(used, reverse=True)[most:]:
        file.unlink(missing_ok=True)
