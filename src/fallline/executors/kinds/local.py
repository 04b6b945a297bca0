"""``local``: worker processes on this machine."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fallline.errors import StudyError
from fallline.executors import supervisor
from fallline.executors.gpus import Gpus
from fallline.executors.process_group import ProcessGroup, worker_command
from fallline.executors.protocol import Executor
from fallline.executors.supervisor import Ended
from fallline.store.launches import Launch


@dataclass(frozen=True)
class LocalOptions:
    """``jobs`` run at once. Each has ``gpus`` of this machine's GPUs, 0: one where there are any."""

    jobs: int = 1
    gpus: str = "0"

    def __post_init__(self) -> None:
        object.__setattr__(self, "gpus", str(self.gpus))
        if self.jobs < 1 or not self.gpus.isdecimal():
            raise StudyError(
                f"local takes jobs of 1 or more and a number of gpus, got jobs = {self.jobs}, gpus = {self.gpus!r}"
            )


@dataclass(frozen=True)
class Job:
    """The processes of a job and the GPUs they were given."""

    group: ProcessGroup
    gpus: list[str]


class Processes:
    """Runs jobs as processes here."""

    def __init__(self, launched: Launch):
        self.launched = launched
        self.gpus = Gpus(int(launched.options["gpus"]), launched.options["jobs"])

    def start(self, cohort: int) -> Job:
        own, told = self.gpus.take()
        return Job(ProcessGroup.start(self.launched, cohort, f"local-{self.launched.number}-{cohort}", told), own)

    def ended(self, job: Job) -> Ended | None:
        ended = job.group.ended()
        if ended is not None:
            self.gpus.give_back(job.gpus)
        return ended

    def where(self, job: Job) -> str:
        return "process " + ", ".join(str(process.pid) for process in job.group.processes)

    def stop(self, job: Job) -> None:
        job.group.stop()

    def kill(self, job: Job) -> None:
        job.group.kill()

    def close(self) -> None:
        pass


def _ready(options: Mapping[str, Any]) -> None:
    """StudyError where a job asks for more GPUs than there are."""
    Gpus(int(options["gpus"]), options["jobs"])


def _show(launched: Launch) -> str:
    lines = [shlex.join(worker_command(launched, cohort)) for cohort in launched.cohorts]
    return "\n".join([f"# {len(lines)} jobs, {launched.options['jobs']} at once; each may be run by hand", *lines])


LOCAL = Executor(
    "local",
    "worker processes on this machine",
    LocalOptions,
    supervisor.launch,
    supervisor.status,
    supervisor.cancel,
    _show,
    stays=False,
    runner=Processes,
    ready=_ready,
)
