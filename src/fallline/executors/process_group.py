"""A group of processes that train one cohort together on this machine: started together, and ended together."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fallline.executors.protocol import AGAIN, CONTINUE
from fallline.executors.supervisor import Ended
from fallline.store.launches import Launch
from fallline.store.place import make_folder

CARRIED = (
    "FALLLINE_CPU_DEVICES",
    "FALLLINE_DATA",
    "FALLLINE_CACHE",
    "FALLLINE_CHECKPOINT_SECONDS",
    "FALLLINE_MEMORY_GB",
    "PYTHONPATH",
)
"""Settings of the command that launches which go with the jobs to other machines."""

TIED = "FALLLINE_PARENT"
"""The process that a worker is not to outlive."""

PR_SET_PDEATHSIG = 1

TAIL_LINES = 5
TERM_SECONDS = 5.0
"""How long the rest of a group may run on once one of it has died."""


def worker_command(launched: Launch, cohort: int, python: str | None = None) -> list[str]:
    """The command of a worker, the same for every executor."""
    return [python or sys.executable, "-m", "fallline", "work", str(launched.plan), str(cohort)]


def worker_environment(launched: Launch, job: str) -> dict[str, str]:
    """What a worker is told beside its command."""
    return {"FALLLINE_LAUNCH": str(launched.number), "FALLLINE_JOB": job, TIED: str(os.getpid())}


@dataclass
class ProcessGroup:
    """The processes of one job; ``first`` is the place of the one that ended badly before all others."""

    launched: Launch
    cohort: int
    processes: list[subprocess.Popen[bytes]]
    dying_since: float | None = None
    first: int | None = None

    @classmethod
    def start(cls, launched: Launch, cohort: int, job: str, more: Mapping[str, str] | None = None) -> ProcessGroup:
        """All processes of the job, their output in the launch's logs."""
        count, processes = launched.processes, []
        shared = os.environ | worker_environment(launched, job) | dict(more or {})
        if count > 1:
            shared |= {"FALLLINE_COORDINATOR": f"127.0.0.1:{_free_port()}", "FALLLINE_PROCESSES": str(count)}
        for process in range(count):
            own = shared | ({"FALLLINE_PROCESS": str(process)} if count > 1 else {})
            make_folder(launched.log(cohort).parent)
            with launched.log(cohort, process).open("ab") as log:
                processes.append(
                    subprocess.Popen(
                        worker_command(launched, cohort),
                        env=own,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                    )
                )
        return cls(launched, cohort, processes)

    def ended(self) -> Ended | None:
        """How the group ended; None while one of it runs. Where one dies, the others are ended within seconds."""
        codes = [process.poll() for process in self.processes]
        bad = [place for place, code in enumerate(codes) if code not in (None, 0, CONTINUE)]
        if bad and self.first is None:
            self.first = bad[0]
        if None in codes:
            if bad and len(codes) > 1:
                self._end_rest()
            return None
        if self.first is not None:
            return Ended(int(codes[self.first] or 0), self._why(self.first, int(codes[self.first] or 0)))
        return Ended(CONTINUE) if CONTINUE in codes else Ended(0)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Ask all to stop."""
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(number)

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def _end_rest(self) -> None:
        if self.dying_since is None:
            self.dying_since = time.monotonic()
            self.stop()
        elif time.monotonic() - self.dying_since > TERM_SECONDS:
            self.kill()

    def _why(self, process: int, code: int) -> str:
        """Which process died, of what, and what it said last."""
        who = f"process {process} of {len(self.processes)}" if len(self.processes) > 1 else "the worker"
        return describe(who, code, self.launched.log(self.cohort, process))


def describe(who: str, code: int, log: Path) -> str:
    """Why a process ended that did not end well, with the last lines of its log."""
    if code < 0:
        try:
            how = f"was ended by {signal.Signals(-code).name}"
        except ValueError:
            how = f"was ended by signal {-code}"
    elif code == AGAIN:
        how = "failed"
    else:
        how = f"failed with exit code {code}"
    said = tail(log)
    return f"{who} {how}" + (f"; it said last: {said}" if said else "")


def tail(log: Path) -> str:
    """The last lines of a log that are not empty, as one."""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 4000))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    text = "".join(sign if sign.isprintable() or sign == "\n" else " " for sign in text)  # a terminal would obey some
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-TAIL_LINES:])[-600:]


def end_with_parent() -> None:
    """In a process of a group: ask for SIGTERM when whoever started it is gone, or now where it is gone already.

    No worker runs on that nobody sees to.
    """
    parent = os.environ.pop(TIED, "")
    libc = ctypes.CDLL(None)
    if not parent.isdecimal() or not hasattr(libc, "prctl"):
        return
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):
        os.kill(os.getpid(), signal.SIGTERM)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
