"""A run folder as it was before a run was planned: put back where the run is refused after all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import TracebackType

from fallline.store.files import write_bytes
from fallline.store.paths import RunPaths

FOLDERS = ("environments", "answers", "launches")
"""Folders that planning adds to, a file or a folder a start."""


class Undo:
    """What planning wrote is taken back where the block that this guards ends with an exception.

    What cannot be trained is refused before anything is written; this is for what only shows while it is written or
    launched: a full disk, a scheduler that says no, an interrupt.
    """

    def __init__(self, paths: RunPaths):
        self.root = paths.root
        self.files = [paths.plan, paths.study, paths.claims, paths.models, paths.pipelines, paths.sums]
        self.files += [paths.mistakes, paths.outputs]

    def __enter__(self) -> Undo:
        self.before = {path: path.read_bytes() if path.is_file() else None for path in self.files}
        self.there = {folder: self._held(folder) for folder in FOLDERS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            return
        for path, content in self.before.items():
            if content is None:
                path.unlink(missing_ok=True)
            elif not path.is_file() or path.read_bytes() != content:
                write_bytes(path, content)
        for folder, held in self.there.items():
            for path in self._held(folder) - held:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            _remove_empty(self.root / folder)

    def _held(self, folder: str) -> set[Path]:
        own = self.root / folder
        return set(own.iterdir()) if own.is_dir() else set()


def not_there(folder: Path) -> list[Path]:
    """The folder and those around it that would have to be made, the innermost first."""
    return [one for one in (folder, *folder.parents) if not os.path.exists(one)]


def forget_measured(root: Path, made: list[Path]) -> None:
    """Remove what was measured for a run that was refused, where its folder was ``made`` for that."""
    paths = RunPaths(root)
    if root in made and not paths.plan.exists():
        shutil.rmtree(paths.scaling, ignore_errors=True)
        remove_made(made)


def remove_made(made: list[Path]) -> None:
    """Remove folders that were made and are empty, the innermost first."""
    for folder in made:
        if not _remove_empty(folder):
            return


def _remove_empty(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:  # it holds something, or is gone
        return False
    return True
