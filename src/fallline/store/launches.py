"""Launches: what jobs were started for a run, and the notes that their workers keep; a folder each, plain JSON."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from fallline.errors import StoreError
from fallline.store.checksums import OWN_SUM, with_own_sum
from fallline.store.files import cannot_write, read_json, write_json
from fallline.store.paths import RunPaths

REMEDY = "remove its folder; what its jobs trained is kept"
STARTING, TRAINING, CONTINUED, FAILED, DONE = "starting", "training", "to be continued", "failed", "done"
"""What a worker says of itself."""


@dataclass(frozen=True)
class Launch:
    """Jobs that were started together: the ``cohorts`` of a plan, by their places in it, over one executor.

    ``options`` are the executor's; ``ids`` is what it calls the jobs. ``processes`` train a cohort together.
    """

    root: Path
    number: int
    executor: str
    cohorts: tuple[int, ...]
    processes: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)
    ids: Mapping[str, Any] = field(default_factory=dict)
    started: str = ""

    @property
    def folder(self) -> Path:
        return RunPaths(self.root).launches / f"{self.number:03d}"

    @property
    def plan(self) -> Path:
        return RunPaths(self.root).plan

    @property
    def cancelled(self) -> Path:
        """There once someone asked the jobs to end."""
        return self.folder / "cancelled"

    @property
    def script(self) -> Path:
        """What a scheduler was given."""
        return self.folder / "job.sh"

    def log(self, cohort: int, process: int = 0) -> Path:
        """What the workers of a cohort print."""
        return self.folder / "logs" / (f"{cohort}.log" if process == 0 else f"{cohort}.{process}.log")

    def write(self) -> None:
        plain = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "root"}
        write_json(self.folder / "launch.json", plain | {"options": dict(self.options), "ids": dict(self.ids)})

    def with_ids(self, ids: Mapping[str, Any]) -> Launch:
        """This launch with the executor's names of its jobs, written down."""
        launched = replace(self, ids=ids)
        launched.write()
        return launched


def new_launch(
    paths: RunPaths, executor: str, cohorts: tuple[int, ...], processes: int, options: Mapping[str, Any]
) -> Launch:
    """A launch with the next free number, its folder made."""
    number = max([0, *(launch.number for launch in launches(paths))]) + 1
    launch = Launch(
        paths.root.absolute(),
        number,
        executor,
        cohorts,
        processes,
        options,
        started=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )
    launch.write()
    (launch.folder / "logs").mkdir(exist_ok=True)
    return launch


def launches(paths: RunPaths) -> list[Launch]:
    """All launches of a run, first to last."""
    try:
        found = sorted(paths.launches.glob("[0-9][0-9][0-9]*/launch.json"))
    except OSError as failure:  # a name too long for the file system
        raise StoreError(cannot_write(paths.root, failure)) from None
    return [read_launch(path) for path in found]


def read_launch(path: Path) -> Launch:
    """The launch in that file, or StoreError."""
    plain = read_json(path, REMEDY)
    try:
        own = {one.name: plain[one.name] for one in fields(Launch) if one.name != "root"}
        launch = Launch(path.absolute().parents[2], **own | {"cohorts": tuple(map(int, own["cohorts"]))})
    except (KeyError, TypeError, ValueError):
        launch = None
    if launch is None or not isinstance(launch.options, dict) or not isinstance(launch.ids, dict):
        raise StoreError(f"{path} is no launch; it was damaged after it was written: {REMEDY}")
    return launch


@dataclass(frozen=True)
class WorkerNote:
    """What a worker says of itself. ``standing`` is where its cohort stood when it began: two that begin at the same
    place came no further in between. ``reached`` of ``steps`` counts trial-steps, ``out_of_memory`` why it failed."""

    cohort: int
    standing: str
    job: str = ""
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    begun: float = field(default_factory=time.time)
    state: str = STARTING
    reason: str = ""
    device: str = ""
    reached: int = 0
    steps: int = 0
    diverged: int = 0
    stopped: int = 0
    out_of_memory: bool = False


def note_path(folder: Path, note: WorkerNote) -> Path:
    """The worker's own file: no other writes it."""
    return folder / "workers" / f"{note.cohort}-{note.host}-{note.pid}-{note.begun:.0f}.json"


def write_note(folder: Path, note: WorkerNote) -> None:
    write_json(note_path(folder, note), with_own_sum(asdict(note)))


def with_own_sums(paths: RunPaths) -> list[Path]:
    """What the jobs of launches write of themselves: each file has its own checksum."""
    found = [*paths.launches.glob("*/workers/*"), *paths.launches.glob("*/jobs.json")]
    return sorted(path for path in found if not path.name.startswith("."))


def notes(folder: Path, cohort: int | None = None) -> list[WorkerNote]:
    """The notes of the workers of a launch, or of those of one cohort, oldest first; torn ones are left out."""
    found = []
    for path in folder.glob(f"workers/{'*' if cohort is None else cohort}-*.json"):
        try:
            plain = json.loads(path.read_text(encoding="utf-8"))
            plain.pop(OWN_SUM, None)
            found.append(WorkerNote(**plain))
        except (OSError, ValueError, TypeError, AttributeError):
            continue
    return sorted(found, key=lambda note: note.begun)


def standing(paths: RunPaths, blocks: list[str]) -> str:
    """Where the training of these blocks stands, as a word that changes when it comes further."""
    words = []
    for block in blocks:
        if paths.trials(block).exists():
            words.append("done")
            continue
        try:
            seen = paths.checkpoint(block).stat()
            words.append(f"{seen.st_size}@{seen.st_mtime_ns}")
        except OSError:
            words.append("-")
    return " ".join(words)


def in_vain(known: list[WorkerNote], now: str) -> list[WorkerNote]:
    """The attempts since the cohort last came further that ended without saying that they are to be continued."""
    return [note for note in known if note.standing == now and note.state != CONTINUED]
