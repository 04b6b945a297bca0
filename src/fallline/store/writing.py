"""Writing a run folder: one writer at a time, block after block; at any moment the folder can be read."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import polars as pl

from fallline.errors import StoreError
from fallline.store.checkpoint import checkpoint_seconds
from fallline.store.files import cannot_write, read_json, read_parquet, write_json, write_parquet, write_text
from fallline.store.layout import Layout
from fallline.store.resolved import planned_blocks, read_plan, read_study
from fallline.study import Study, dump_study

PLAN_FORMAT = 1


class RunWriter:
    """The one writer of a run folder; a lock with this host and process keeps others out."""

    def __init__(self, paths: Layout):
        self.paths = paths

    @classmethod
    def open(cls, paths: Layout, study: Study, resume: bool) -> RunWriter:
        """A writer for ``study`` in that folder, new or with records of the same study; StoreError where neither."""
        writer = cls(paths)
        checkpoint_seconds()  # a wrong setting is an error now, not in the middle of the run
        writer._lock()
        try:
            writer._sweep()
            if paths.plan.exists() or paths.study.exists():
                writer._check(study, resume)
            elif any(path != paths.lock for path in paths.root.iterdir()):
                raise StoreError(f"{paths.root} holds other files and is not a run folder; choose another with --out")
        except OSError as failure:
            writer._unlock()
            raise StoreError(cannot_write(paths.root, failure)) from failure
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
        if not self.paths.plan.exists():
            write_json(self.paths.plan, self._plan())
        text = dump_study(study)
        if not self.paths.study.exists() or self.paths.study.read_text(encoding="utf-8") != text:
            write_text(self.paths.study, text)
        if environment is not None:
            count = len(list(self.paths.environments.glob("*.json")))
            write_json(self.paths.environments / f"{count:03d}.json", environment)

    def add_round(self, round_: dict[str, Any], instead_of: set[str] = frozenset()) -> None:
        """Add a round to the plan. What was already planned stays as it is, but for the blocks it is ``instead_of``."""
        plan = self._plan()
        for cohort in (cohort for old in plan["rounds"] for cohort in old["cohorts"]):
            cohort["blocks"] = [block for block in cohort["blocks"] if block["name"] not in instead_of]
        plan["rounds"].append(round_)
        write_json(self.paths.plan, plan)

    def next_round(self) -> int:
        """A number that no block bears, though the plan may have been lost."""
        named = [re.match(r"r(\d+)-", block) for block in self.paths.done_blocks()]
        return max([len(self._plan()["rounds"]), *(int(found[1]) for found in named if found)]) + 1

    def planned_cohorts(self) -> list[dict[str, Any]]:
        """The cohorts of all rounds, as they were written."""
        return [cohort for round_ in self._plan()["rounds"] for cohort in round_["cohorts"]]

    def is_done(self, block: str) -> bool:
        return self.paths.trials(block).exists()

    def known_trials(self) -> set[str]:
        """The names of all trials with records."""
        names: set[str] = set()
        for block in self.paths.done_blocks():
            names.update(read_parquet(self.paths.trials(block), columns=["trial"])["trial"])
        return names

    def write_block(self, block: str, trials: pl.DataFrame, curves: pl.DataFrame, predictions: pl.DataFrame,
                    weights: pl.DataFrame, timing: dict[str, Any]) -> None:
        """The records of a block. Its trials come last: a block without them does not count and is trained again."""
        write_parquet(self.paths.curves(block), curves)
        if predictions.height:
            write_parquet(self.paths.predictions(block), predictions)
        if weights.height:
            write_parquet(self.paths.weights(block), weights)
        write_json(self.paths.timing(block), timing)
        write_parquet(self.paths.trials(block), trials)

    def write_answers(self, name: str, answers: pl.DataFrame) -> None:
        """The labels that predictions of a task are held against, where they are not there yet."""
        path = self.paths.answers / f"{name}.parquet"
        if not path.exists():
            write_parquet(path, answers)

    def write_models(self, texts: Mapping[str, str]) -> None:
        """The models of tasks as texts, those of earlier starts kept."""
        known = read_json(self.paths.models) if self.paths.models.exists() else {}
        if texts.keys() - known.keys():
            write_json(self.paths.models, known | dict(texts))

    def write_mistakes(self, mistakes: pl.DataFrame) -> None:
        """The examples got wrong most often, over all blocks so far."""
        write_parquet(self.paths.mistakes, mistakes)

    def _plan(self) -> dict[str, Any]:
        if not self.paths.plan.exists():
            return {"format": PLAN_FORMAT, "rounds": []}
        plan = read_plan(self.paths.plan)
        if plan.get("format") != PLAN_FORMAT:
            raise StoreError(f"{self.paths.plan} was written by another version of fallline; "
                             "use that version, or choose another folder with --out")
        return plan

    def _check(self, study: Study, resume: bool) -> None:
        if self.paths.study.exists():
            before = read_study(self.paths.study)
            if before.name != study.name:
                raise StoreError(f"{self.paths.root} holds a run of study {before.name}, not of {study.name}; "
                                 "choose another folder with --out")
        left = [block for block in planned_blocks(self._plan()) if not self.is_done(block)]
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
            if not self.paths.root.is_dir():
                raise StoreError(f"{self.paths.root} is a file, not a folder; choose another with --out") from None
            return self._take_over(me)
        except OSError as failure:
            raise StoreError(cannot_write(self.paths.root, failure)) from failure
        try:
            with os.fdopen(handle, "w") as file:
                json.dump(me, file)
        except OSError as failure:
            self._unlock()
            raise StoreError(cannot_write(self.paths.lock, failure)) from failure

    def _take_over(self, me: dict[str, Any]) -> None:
        try:
            owner = json.loads(self.paths.lock.read_text(encoding="utf-8"))
            host, pid = owner["host"], int(owner["pid"])
        except (OSError, ValueError, KeyError, TypeError, OverflowError):
            host, pid = me["host"], 0  # a torn lock: its writer died while taking it
        if host != me["host"] or _alive(pid):
            raise StoreError(f"{self.paths.root} is in use by process {pid} on {host}; wait for it to end, or, if you "
                             f"are sure that it is gone, remove {self.paths.lock}")
        write_json(self.paths.lock, me)

    def _sweep(self) -> None:
        """Remove what a killed run left half written, and checkpoints of blocks that were finished."""
        for path in [*self.paths.leftovers(), *map(self.paths.checkpoint, self.paths.done_blocks())]:
            path.unlink(missing_ok=True)

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
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
