"""A process that sees to the jobs of a launch where no scheduler does: starts them, starts them again, ends them.

It lives apart from the command that launched it, and tells how the jobs stand in a file of its own, ``jobs.json``.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import deque
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from fallline.errors import StoreError
from fallline.executors.protocol import (
    CANCELLED,
    DONE,
    FAILED,
    GIVEN_UP,
    LOST,
    MOST_ATTEMPTS,
    RUNNING,
    WAITING,
    JobStatus,
)
from fallline.store.checksums import OWN_SUM, with_own_sum
from fallline.store.files import write_json
from fallline.store.launches import Launch, notes, read_launch
from fallline.store.lock import read_owner, this_process
from fallline.store.place import held

LOOK_SECONDS = 0.2
PATIENCE_SECONDS = 30.0
"""How long jobs that are asked to end may take to write their checkpoints."""


_STARTED: list[subprocess.Popen[bytes]] = []
"""Supervisors that this process started, asked now and then whether they have ended, so that none stays a zombie."""


class Ended(NamedTuple):
    """How a job ended: the exit code of its worker, negative for a signal; why, where it was not well."""

    code: int
    reason: str = ""


class Runner(Protocol):
    """Who runs the jobs of a launch: as processes here, or as tasks of a cluster."""

    def start(self, cohort: int) -> Any: ...
    def ended(self, job: Any) -> Ended | None: ...
    def where(self, job: Any) -> str: ...
    def stop(self, job: Any) -> None: ...
    def kill(self, job: Any) -> None: ...
    def close(self) -> None: ...


def launch(launched: Launch) -> dict[str, Any]:
    """Start the supervisor of these jobs; its process."""
    _file(launched).unlink(missing_ok=True)
    with (launched.folder / "logs" / "supervisor.log").open("ab") as log:
        _forget_ended()
        process = subprocess.Popen(
            [sys.executable, "-m", "fallline.executors.supervisor", str(launched.folder / "launch.json")],
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    _STARTED.append(process)
    return asdict(replace(this_process(), pid=process.pid, started=None))


def status(launched: Launch) -> dict[int, JobStatus]:
    """What the supervisor told last; jobs of one that is gone are lost."""
    _forget_ended()
    known = _read(launched)
    owner = read_owner(json.dumps(dict(launched.ids)).encode())
    gone = owner is not None and owner.place == "gone"
    found = {}
    for cohort in launched.cohorts:
        seen = known.get(cohort, JobStatus(WAITING))
        if gone and seen.state in (WAITING, RUNNING):
            seen = JobStatus(LOST, f"process {owner.pid} that saw to it is gone", seen.where, again=True)
        found[cohort] = seen
    return found


def cancel(launched: Launch) -> None:
    """Ask the supervisor to end its jobs, wherever it is: it looks for the file."""
    launched.cancelled.touch()


def main(path: Path) -> None:
    """Run the jobs of the launch in that file to their ends."""
    from fallline.executors.protocol import find_executor

    launched = read_launch(path)
    signal.signal(signal.SIGTERM, lambda *_: launched.cancelled.touch())
    runner = find_executor(launched.executor).runner(launched)
    with held(launched.root):
        try:
            _Supervisor(launched, runner).run()
        except StoreError as failure:  # its folder is gone; jobs end with whoever started them
            print(f"fallline: {failure}", flush=True)
        finally:
            runner.close()


class _Supervisor:
    """The jobs of one launch: those that wait, those that run, how each ended."""

    def __init__(self, launched: Launch, runner: Runner):
        self.launched, self.runner = launched, runner
        self.waiting = deque(launched.cohorts)
        self.running: dict[int, Any] = {}
        self.seen = {cohort: JobStatus(WAITING) for cohort in launched.cohorts}
        self.silent = dict.fromkeys(launched.cohorts, 0)
        self.attempts = dict.fromkeys(launched.cohorts, 0)
        self.at_once = launched.options.get("jobs") or len(launched.cohorts)

    def run(self) -> None:
        self._tell()
        while self.waiting or self.running:
            if self.launched.cancelled.exists():
                return self._end()
            while self.waiting and len(self.running) < self.at_once:
                self._start(self.waiting.popleft())
            self._look()
            time.sleep(LOOK_SECONDS)

    def _start(self, cohort: int) -> None:
        self.attempts[cohort] = len(notes(self.launched.folder, cohort))
        self.running[cohort] = self.runner.start(cohort)
        self._now(cohort, JobStatus(RUNNING, self.seen[cohort].reason, self.runner.where(self.running[cohort])))

    def _look(self) -> None:
        for cohort, job in list(self.running.items()):
            ended = self.runner.ended(job)
            if ended is not None:
                del self.running[cohort]
                self._ended(cohort, ended, self.runner.where(job))

    def _ended(self, cohort: int, ended: Ended, where: str) -> None:
        """Done, to be started again, or failed for good. A worker that comes no further gives up by itself; one that
        does not even leave a note is given up here."""
        if ended.code == 0:
            return self._now(cohort, JobStatus(DONE, "", where))
        began = len(notes(self.launched.folder, cohort)) > self.attempts[cohort]
        self.silent[cohort] = 0 if began else self.silent[cohort] + 1
        if ended.code == GIVEN_UP or self.silent[cohort] >= MOST_ATTEMPTS:
            return self._now(cohort, JobStatus(FAILED, ended.reason, where))
        self.waiting.append(cohort)
        self._now(cohort, JobStatus(WAITING, ended.reason, where))

    def _end(self) -> None:
        """Ask all to stop, wait for their checkpoints, and end what does not."""
        for job in self.running.values():
            self.runner.stop(job)
        until = time.monotonic() + PATIENCE_SECONDS
        while self.running and time.monotonic() < until:
            for cohort, job in list(self.running.items()):
                ended = self.runner.ended(job)
                if ended is not None:
                    del self.running[cohort]
                    self.seen[cohort] = JobStatus(DONE if ended.code == 0 else CANCELLED, "", self.runner.where(job))
            time.sleep(LOOK_SECONDS)
        for cohort, job in self.running.items():
            self.runner.kill(job)
            self.seen[cohort] = JobStatus(
                CANCELLED, f"did not stop within {PATIENCE_SECONDS:g} s", self.runner.where(job)
            )
        for cohort in self.waiting:
            self.seen[cohort] = JobStatus(CANCELLED)
        self._tell()

    def _now(self, cohort: int, seen: JobStatus) -> None:
        self.seen[cohort] = seen
        self._tell()

    def _tell(self) -> None:
        write_json(
            _file(self.launched), with_own_sum({str(cohort): list(seen[:3]) for cohort, seen in self.seen.items()})
        )


def _forget_ended() -> None:
    _STARTED[:] = [process for process in _STARTED if process.poll() is None]


def _file(launched: Launch) -> Path:
    return launched.folder / "jobs.json"


def _read(launched: Launch) -> dict[int, JobStatus]:
    try:
        known = json.loads(_file(launched).read_text(encoding="utf-8"))
        return {int(cohort): JobStatus(*map(str, seen)) for cohort, seen in known.items() if cohort != OWN_SUM}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
