"""``local``: worker processes on this machine."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fallline.errors import StudyError
from fallline.executors import supervised
from fallline.executors.gpus import Gpus
from fallline.executors.options import option
from fallline.executors.protocol import Executor

if TYPE_CHECKING:
    from fallline.executors.process_group import ProcessGroup
    from fallline.executors.supervisor import Ended
    from fallline.store.launches import Launch


@dataclass(frozen=True)
class LocalOptions:
    """How many worker processes share this machine, and its GPUs."""

    jobs: int = option(1, "jobs that run at once; 1 by default.", least=1)
    gpus: str = option("0", "GPUs of each job; by default one where the machine has any.")

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
    """Runs jobs as processes on this machine."""

    def __init__(self, launched: Launch):
        self.launched = launched
        self.gpus = Gpus(int(launched.options["gpus"]), launched.options["jobs"])

    def start(self, cohort: int) -> Job:
        from fallline.executors.process_group import ProcessGroup

        gpus, variables = self.gpus.take()
        return Job(ProcessGroup.start(self.launched, cohort, f"local-{self.launched.number}-{cohort}", variables), gpus)

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
    from fallline.executors.process_group import worker_command

    lines = [shlex.join(worker_command(launched, cohort)) for cohort in launched.cohorts]
    return "\n".join([f"# {len(lines)} jobs, {launched.options['jobs']} at once; each may be run by hand", *lines])


LOCAL = Executor(
    "local",
    "worker processes on this machine",
    LocalOptions,
    supervised.launch,
    supervised.status,
    supervised.cancel,
    _show,
    stays=False,
    runner=Processes,
    ready=_ready,
)
