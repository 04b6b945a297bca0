"""One version of fallline: where its source is, its caches and run folders, and the seconds of its whole commands."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from whole_works import STUDY_FILES, Command

ROOT = Path(__file__).resolve().parent.parent


class Side:
    """A version that this interpreter runs; ``folder`` holds a cache and a run folder for each key of its commands."""

    def __init__(self, name: str, source: Path, folder: Path):
        self.name, self.source, self.folder = name, source, folder
        subprocess.run([sys.executable, "-m", "compileall", "-q", str(source)], check=True)  # as an installed one is

    def seconds(self, command: Command) -> float:
        """From the command's start to the end of its process, after what it needs was made."""
        cache, run = self._cache(command.key), self._run(command.key)
        if command.reads and not run.exists():
            self._fallline(command, command.reads)
        if command.cold:
            shutil.rmtree(cache, ignore_errors=True)
        elif not command.reads and not cache.exists():
            self.seconds_of(command)
        return self.seconds_of(command)

    def seconds_of(self, command: Command) -> float:
        """The same, as things are; a command that trains gets an empty run folder."""
        if command.arguments[0] == "run":
            shutil.rmtree(self._run(command.key), ignore_errors=True)
        return self._fallline(command, command.arguments)

    def _fallline(self, command: Command, arguments: Sequence[str]) -> float:
        folder = self.folder / command.key
        folder.mkdir(parents=True, exist_ok=True)
        study = folder / "study.toml"
        if command.key in STUDY_FILES:
            study.write_text(STUDY_FILES[command.key], encoding="utf-8")
        given = [
            word.format(folder=self._run(command.key), study=study) if word in ("{folder}", "{study}") else word
            for word in arguments
        ]
        environment = os.environ | {"PYTHONPATH": str(self.source), "FALLLINE_CACHE": str(self._cache(command.key))}
        return timed(
            [sys.executable, "-m", "fallline", *given], environment, folder / "log.txt", f"{command.name}, {self.name}"
        )

    def _cache(self, key: str) -> Path:
        return self.folder / key / "cache"

    def _run(self, key: str) -> Path:
        return self.folder / key / "run"


def timed(words: Sequence[str], environment: dict[str, str], log: Path, what: str) -> float:
    """Seconds of a process; where it fails, SystemExit with the end of what it wrote."""
    with log.open("w", encoding="utf-8") as written:
        begun = time.perf_counter()
        ended = subprocess.run(
            words, env=environment, stdin=subprocess.DEVNULL, stdout=written, stderr=subprocess.STDOUT
        )
        seconds = time.perf_counter() - begun
    if ended.returncode:
        raise SystemExit(f"{what} ended with {ended.returncode}:\n{log.read_text(encoding='utf-8')[-2000:]}")
    return seconds


def checked_out(commit: str, folder: Path) -> tuple[str, Path]:
    """The short name of a commit of this repository, and its source in ``folder``."""
    name = git("rev-parse", "--short", f"{commit}^{{commit}}")
    folder.mkdir(parents=True)
    packed = folder / "tree.tar"
    git("archive", "--output", str(packed), name, "src")
    shutil.unpack_archive(packed, folder, **({"filter": "data"} if sys.version_info >= (3, 12) else {}))
    return name, folder / "src"


def git(*words: str) -> str:
    ended = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True)
    if ended.returncode:
        raise SystemExit(f"git {' '.join(words)}: {ended.stderr.strip()}")
    return ended.stdout.strip()


def this_tree() -> str:
    """The commit that this tree stands at, and whether something was changed since."""
    try:
        return git("rev-parse", "--short", "HEAD") + (", changed" if git("status", "--porcelain", "src") else "")
    except (SystemExit, FileNotFoundError):
        return "not a repository"
