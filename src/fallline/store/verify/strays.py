"""What should not be there: locks of processes that are gone, halves of files, foreign files and checkpoints."""

from __future__ import annotations

import re
from pathlib import Path

from fallline.store.checkpoint import Unusable, opened
from fallline.store.leases import live
from fallline.store.lock import owner_of
from fallline.store.paths import RunPaths
from fallline.store.verify.finding import AGAIN, ASIDE, Finding

OF_BLOCKS = {
    "trials": ".parquet",
    "curves": ".parquet",
    "predictions": ".parquet",
    "weights": ".parquet",
    "timings": ".json",
    "checkpoints": ".npz",
}
BLOCK = re.compile(r"[A-Za-z0-9_-]{1,100}")


def check_strays(paths: RunPaths, planned: set[str]) -> list[Finding]:
    """The lock, left-overs, and files of no block. While the run is under way its own halves are no left-overs."""
    found, under_way = _lock(paths)
    trained = set(live(paths))
    found += [
        Finding(f"leases/{block}.json", "a job trains its block just now", "it is not judged", noted=True)
        for block in sorted(trained)
    ]
    found += [
        Finding(_relative(paths, path), "left by a job that is gone", "the next job takes it over", noted=True)
        for path in sorted(paths.lease("").parent.glob("*.json"))
        if path.stem not in trained
    ]
    under_way = under_way or bool(trained)
    found += [
        Finding(
            folder.name,
            f"it is a link out of the run folder, to {str(folder.readlink())[:100]}",
            "put the folder itself in its place",
        )
        for folder in paths.folders
        if folder.is_symlink()
    ]
    if not under_way:
        found += [
            Finding(
                _relative(paths, path),
                "half a file, left by a run that was killed",
                "the next run removes it",
                goes=True,
            )
            for path in sorted(paths.leftovers())
        ]
    done = set(paths.done_blocks())
    for folder, ending in OF_BLOCKS.items():
        for path in sorted((paths.root / folder).glob("*")):
            if not path.name.startswith("."):
                found += _of_block(paths, path, ending, planned, done)
    for folder, ending in {"environments": ".json", "answers": ".parquet", "leases": ".json"}.items():
        found += [
            _foreign(paths, path)
            for path in sorted((paths.root / folder).glob("*"))
            if path.suffix != ending and not path.name.startswith(".")
        ]
    if paths.damaged.is_dir():
        found.append(
            Finding(
                "damaged",
                "files that were moved aside by --repair",
                "remove them when you do not need them",
                noted=True,
            )
        )
    return found


def _lock(paths: RunPaths) -> tuple[list[Finding], bool]:
    """What the lock says, and whether a run is under way here."""
    if not paths.lock.exists():
        return [], False
    owner = owner_of(paths.lock)
    if owner is None:
        return [
            Finding(
                "lock.json", "it is torn: its writer died while it took the lock", f"{AGAIN} takes it over", goes=True
            )
        ], False
    who = f"process {owner.pid} on {owner.host[:100]}"
    if owner.place == "here":
        return [
            Finding(
                "lock.json", f"a run is under way, {who}", "blocks that it has not finished are not judged", noted=True
            )
        ], True
    if owner.place == "gone":
        return [
            Finding(
                "lock.json",
                f"{who} was killed or its machine went down: it is gone",
                f"{AGAIN} takes the lock over and goes on",
                goes=True,
            )
        ], False
    return [
        Finding(
            "lock.json",
            f"{who} holds the folder, and from here nobody can tell whether it still runs",
            "if it is gone (its machine is off, or the folder was moved here), remove lock.json",
        )
    ], True


def _of_block(paths: RunPaths, path: Path, ending: str, planned: set[str], done: set[str]) -> list[Finding]:
    """A file that is named after a block."""
    block, folder = path.stem, path.parent.name
    if path.suffix != ending or not BLOCK.fullmatch(block) or path.is_dir():
        return [_foreign(paths, path)]
    if folder == "checkpoints":
        return _checkpoint(paths, path, planned, done)
    if block in done:
        return []
    if block in planned:
        return [
            Finding(
                _relative(paths, path),
                "its block was not finished",
                f"{AGAIN} trains it and writes it again",
                noted=True,
            )
        ]
    return [Finding(_relative(paths, path), "no block of this run is called so", ASIDE, goes=True)]


def _checkpoint(paths: RunPaths, path: Path, planned: set[str], done: set[str]) -> list[Finding]:
    name = _relative(paths, path)
    if path.stem in done:
        return [Finding(name, "its block is finished", "the next run removes it", goes=True)]
    if path.stem not in planned:
        return [Finding(name, "no block of this run is called so", ASIDE, goes=True)]
    try:
        with opened(path) as (header, arrays):
            for array in arrays.files:  # reading them checks their sums
                arrays[array]
            del header
    except Unusable as why:
        return [Finding(name, f"it {why}", f"{ASIDE}; {AGAIN} trains the block from its start", goes=True)]
    return []


def _foreign(paths: RunPaths, path: Path) -> Finding:
    return Finding(_relative(paths, path), "it is no file of a run", ASIDE, goes=True)


def _relative(paths: RunPaths, path: Path) -> str:
    return path.relative_to(paths.root).as_posix()
