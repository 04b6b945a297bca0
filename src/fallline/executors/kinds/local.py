"""``local``: worker processes on this machine."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from fallline.errors import StudyError
from fallline.executors import supervisor
from fallline.executors.groups import Group, worker_command
from fallline.executors.protocol import Executor
from fallline.executors.supervisor import Ended
from fallline.store.launches import Launch


@dataclass(frozen=True)
class Options:
    """``jobs`` run at once."""

    jobs: int = 1

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise StudyError(f"jobs must be 1 or more, got {self.jobs}")


class Processes:
    """Runs jobs as processes here."""

    def __init__(self, launched: Launch):
        self.launched = launched

    def start(self, cohort: int) -> Group:
        return Group.start(self.launched, cohort, f"local-{self.launched.number}-{cohort}")

    def ended(self, job: Group) -> Ended | None:
        return job.ended()

    def where(self, job: Group) -> str:
        return "process " + ", ".join(str(process.pid) for process in job.processes)

    def stop(self, job: Group) -> None:
        job.stop()

    def kill(self, job: Group) -> None:
        job.kill()

    def close(self) -> None:
        pass


def _show(launched: Launch) -> str:
    lines = [shlex.join(worker_command(launched, cohort)) for cohort in launched.cohorts]
    return "\n".join([f"# {len(lines)} jobs, {launched.options['jobs']} at once; each may be run by hand", *lines])


LOCAL = Executor("local", "worker processes on this machine", Options, supervisor.launch, supervisor.status,
                 supervisor.cancel, _show, stays=False, runner=Processes)
