"""Writing a run folder: one writer at a time, block after block; at any moment the folder can be read."""

from __future__ import annotations

import json
import os
import socket
from types import TracebackType
from typing import Any

import polars as pl

from fallline.errors import StoreError
from fallline.store.files import cannot_write, read_json, write_atomically, write_json, write_text
from fallline.store.layout import Layout
from fallline.study import Study, dump_study, parse_study

PLAN_FORMAT = 1


class RunWriter:
    """The one writer of a run folder; a lock with this host and process keeps others out."""

    def __init__(self, paths: Layout):
        self.paths = paths

    @classmethod
    def open(cls, paths: Layout, study: Study, resume: bool) -> RunWriter:
        """A writer for ``study`` in that folder, new or with records of the same study; StoreError where neither."""
        writer = cls(paths)
        writer._lock()
        try:
            if paths.plan.exists():
                writer._check(study, resume)
            elif paths.root.exists() and any(p.name != paths.lock.name for p in paths.root.iterdir()):
                raise StoreError(f"{paths.root} holds other files and is not a run folder; choose another with --out")
        except BaseException:
            writer._unlock()
            raise
        return writer

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._unlock()

    def start(self, study: Study, environment: dict[str, Any] | None) -> None:
        """Note the study as resolved and, where something is to run, what this start runs on."""
        text = dump_study(study)
        if not self.paths.study.exists() or self.paths.study.read_text(encoding="utf-8") != text:
            write_text(self.paths.study, text)
        if environment is not None:
            count = len(list(self.paths.environments.glob("*.json")))
            write_json(self.paths.environments / f"{count:03d}.json", environment)

    def add_round(self, round_: dict[str, Any]) -> None:
        """Add a round to the plan: what was already planned stays as it is."""
        plan = self._plan()
        plan["rounds"].append(round_)
        write_json(self.paths.plan, plan)

    def next_round(self) -> int:
        return len(self._plan()["rounds"]) + 1

    def planned_cohorts(self) -> list[dict[str, Any]]:
        """The cohorts of all rounds, as they were written."""
        return [cohort for round_ in self._plan()["rounds"] for cohort in round_["cohorts"]]

    def is_done(self, block: str) -> bool:
        return self.paths.trials(block).exists()

    def known_trials(self) -> set[str]:
        """The names of all trials with records."""
        names: set[str] = set()
        for block in self.paths.done_blocks():
            try:
                names.update(pl.read_parquet(self.paths.trials(block), columns=["trial"])["trial"])
            except (OSError, pl.exceptions.PolarsError) as failure:
                raise StoreError(f"{self.paths.trials(block)} cannot be read ({str(failure).splitlines()[0]}); it was "
                                 "damaged after it was written. Remove it and run again with --resume") from None
        return names

    def write_block(self, block: str, trials: pl.DataFrame, curves: pl.DataFrame, timing: dict[str, Any]) -> None:
        """The records of a block. Its trials come last: a block without them does not count and is trained again."""
        write_atomically(self.paths.curves(block), curves.write_parquet)
        write_json(self.paths.timing(block), timing)
        write_atomically(self.paths.trials(block), trials.write_parquet)

    def _plan(self) -> dict[str, Any]:
        if not self.paths.plan.exists():
            return {"format": PLAN_FORMAT, "rounds": []}
        plan = read_json(self.paths.plan)
        if not isinstance(plan, dict) or plan.get("format") != PLAN_FORMAT:
            raise StoreError(f"{self.paths.plan} was written by another version of fallline; "
                             "use that version, or choose another folder with --out")
        return plan

    def _check(self, study: Study, resume: bool) -> None:
        if self.paths.study.exists():
            before = parse_study(self.paths.study.read_text(encoding="utf-8"), str(self.paths.study))
            if before.name != study.name:
                raise StoreError(f"{self.paths.root} holds a run of study {before.name}, not of {study.name}; "
                                 "choose another folder with --out")
        left = [block["name"] for cohort in self.planned_cohorts() for block in cohort["blocks"]
                if not self.is_done(block["name"])]
        if left and not resume:
            raise StoreError(f"the run in {self.paths.root} was stopped with {len(left)} of its blocks still to train; "
                             "add --resume to go on with it, or choose another folder with --out")

    def _lock(self) -> None:
        """Take the lock; one whose process is gone from this host is stale and taken over."""
        me = {"host": socket.gethostname(), "pid": os.getpid()}
        try:
            self.paths.root.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.paths.lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            if self.paths.root.is_dir() and self._take_over(me):
                return
            raise
        except OSError as failure:
            raise StoreError(cannot_write(self.paths.root, failure)) from failure
        with os.fdopen(handle, "w") as file:
            json.dump(me, file)

    def _take_over(self, me: dict[str, Any]) -> bool:
        try:
            owner = json.loads(self.paths.lock.read_text(encoding="utf-8"))
            host, pid = owner["host"], int(owner["pid"])
        except (OSError, ValueError, KeyError, TypeError):
            host, pid = me["host"], 0  # a torn lock: its writer died while taking it
        if host != me["host"] or _alive(pid):
            raise StoreError(f"{self.paths.root} is in use by process {pid} on {host}; wait for it to end, or, if you "
                             f"are sure that it is gone, remove {self.paths.lock}")
        write_json(self.paths.lock, me)
        return True

    def _unlock(self) -> None:
        self.paths.lock.unlink(missing_ok=True)
        for folder in (self.paths.checkpoints, self.paths.root):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()  # nothing is at rest; nothing was run: leave no trace


def _alive(pid: int) -> bool:
    if pid <= 0 or pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
