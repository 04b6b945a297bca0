"""``fallline.list_runs``: the run folders below a folder, and how they stand; renaming and removing them."""

from __future__ import annotations

import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fallline.errors import FalllineError, StoreError
from fallline.store.leases import live
from fallline.store.lock import Lock, owner_of
from fallline.store.paths import RunPaths
from fallline.store.run import Run

DEEPEST = 3
"""Folders below each other that are searched for runs."""


@dataclass(frozen=True)
class RunSummary:
    """A run folder at a glance. ``state`` is "finished", "training", "stopped" or "unreadable"; ``answer`` is that of
    its report, empty where none was written since; ``age_seconds`` is the time since its last record, ``size_bytes``
    that of its files, ``problem`` why it cannot be read.
    """

    folder: Path
    name: str
    state: str
    trials: int = 0
    planned: int = 0
    question: str = ""
    answer: str = ""
    age_seconds: float = 0.0
    size_bytes: int = 0
    problem: str = ""


def list_runs(root: str | Path = "runs") -> list[RunSummary]:
    """The runs in ``root`` and in folders below it, the last written first. Nothing is written.

    StoreError where there is no such folder.
    """
    root = Path(root)
    if not root.is_dir():
        raise StoreError(
            f"there is no folder {root}; fallline run writes its records to runs/NAME, or where --out says"
        )
    return sorted((_summary(folder) for folder in _run_folders(root, DEEPEST)), key=lambda run: run.age_seconds)


def remove_run(folder: str | Path) -> int:
    """Remove a run folder with all its records; the bytes that were freed. StoreError where it is none or is in use."""
    paths = _idle(Path(folder))
    size = _size(paths.root)
    try:
        shutil.rmtree(paths.root)
    except OSError as failure:
        raise StoreError(f"cannot remove {paths.root}: {failure.strerror or failure}") from None
    return size


def rename_run(folder: str | Path, name: str) -> Path:
    """Give a run folder another name beside its old one, or another path; where it is now.

    StoreError where it is none or is in use, or the new name is taken.
    """
    paths = _idle(Path(folder))
    new = paths.root.parent / name if os.sep not in name else Path(name)
    if os.path.lexists(new):
        raise StoreError(f"{new} exists; choose another name, or remove it first: fallline rm {new}")
    try:
        new.parent.mkdir(parents=True, exist_ok=True)
        paths.root.rename(new)
    except OSError as failure:
        raise StoreError(f"cannot rename {paths.root} to {new}: {failure.strerror or failure}") from None
    return new


def page_of(folder: str | Path) -> Path:
    """The page of a run, written where it is missing or older than its records."""
    paths = RunPaths(Path(folder))
    page = paths.report / "report.html"
    if page.exists() and page.stat().st_mtime >= _last_record(paths):
        return page
    from fallline.api.result import open_run

    return open_run(folder, "fallline open").report()


def run_state(run: Run) -> str:
    """ "training" where a process writes the run, else "finished" or "stopped"."""
    return "training" if _in_use(run.paths) else "stopped" if run.missing else "finished"


def _run_folders(root: Path, deepest: int) -> list[Path]:
    if RunPaths(root).plan.exists():
        return [root]
    if not deepest:
        return []
    inside = [path for path in root.iterdir() if path.is_dir() and not path.is_symlink() and path.name[0] != "."]
    return [folder for path in inside for folder in _run_folders(path, deepest - 1)]


def _summary(folder: Path) -> RunSummary:
    paths = RunPaths(folder)
    common: dict[str, Any] = {"age_seconds": max(0.0, time.time() - _last_record(paths)), "size_bytes": _size(folder)}
    try:
        run = Run(folder)
        done, planned = len(run.blocks), len(run.planned)
        question, trials = run.study.question or run.study.title, run.trials.height
        state = run_state(run)
    except FalllineError as failure:
        return RunSummary(folder, folder.name, "unreadable", problem=str(failure).split("\n")[0], **common)
    return RunSummary(folder, run.study.name, state, trials, planned or done, question, _answer(paths), **common)


def _answer(paths: RunPaths) -> str:
    """The first bold line of the report in Markdown, where that is not older than the records."""
    written = paths.report / "report.md"
    if not written.exists() or written.stat().st_mtime < _last_record(paths):
        return ""
    bold = re.search(r"^\*\*(.+)\*\*$", written.read_text(encoding="utf-8", errors="replace"), re.M)
    return re.sub(r"\\(.)", r"\1", bold[1]) if bold else ""


def _in_use(paths: RunPaths) -> bool:
    owner = owner_of(paths.lock)
    return bool(live(paths)) or (owner is not None and owner.place != "gone")


def _idle(root: Path) -> RunPaths:
    """The paths of a run folder that nobody writes; StoreError for any other folder."""
    paths = RunPaths(root)
    if root.is_symlink() or not root.is_dir() or not (paths.plan.exists() or paths.study.exists()):
        raise StoreError(f"{root} is not a run folder, so it is left alone; fallline runs lists those that are")
    if live(paths):
        raise StoreError(f"jobs of the run in {root} are training; end them first: fallline cancel {root}")
    lock = Lock(paths.lock)
    lock.take()  # StoreError where another process writes there
    lock.release()
    return paths


def _last_record(paths: RunPaths) -> float:
    """When a record was written last, in seconds since 1970."""
    files = [paths.plan, paths.study, *(paths.root / "trials").glob("*.parquet")]
    return max((file.stat().st_mtime for file in files if file.exists()), default=0.0)


def _size(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())
