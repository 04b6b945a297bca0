"""``slurm``: an array job, an element a cohort, through sbatch, squeue, scontrol and scancel themselves."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fallline.engine.devices import RemoteDevices
from fallline.errors import FalllineError, StudyError
from fallline.executors.kinds.slurm_script import TASKS, batch_script
from fallline.executors.options import option
from fallline.executors.protocol import CANCELLED, CONTINUE, DONE, FAILED, LOST, RUNNING, WAITING, Executor, JobStatus

if TYPE_CHECKING:
    from fallline.store.launches import Launch

ASK_SECONDS = 60
TEXT = {
    "partition": r"[\w.,-]+",
    "account": r"[\w.-]+",
    "memory": r"\d+[KMGT]?",
    "time": r"[\d:-]+",
    "gpus": r"(\w[\w.-]*:)?\d+",
}
"""What values of options look like; anything else is refused before it comes near a shell."""

ENDED = {"COMPLETED": DONE, "CANCELLED": CANCELLED}
GOING = {
    "RUNNING": RUNNING,
    "COMPLETING": RUNNING,
    "STAGE_OUT": RUNNING,
    "SUSPENDED": RUNNING,
    "STOPPED": RUNNING,
    "SIGNALING": RUNNING,
    "PENDING": WAITING,
    "CONFIGURING": WAITING,
    "REQUEUED": WAITING,
    "REQUEUE_HOLD": WAITING,
    "REQUEUE_FED": WAITING,
    "SPECIAL_EXIT": WAITING,
    "RESV_DEL_HOLD": WAITING,
    "RESIZING": RUNNING,
}
"""Slurm's words for jobs that are not over; all others are failures."""

AGAIN = {"NODE_FAIL", "BOOT_FAIL", "PREEMPTED", "TIMEOUT", "REVOKED"}
"""Ends that have nothing to do with the work itself."""

ENDED_BY = (":9", f":{int(signal.SIGUSR1)}")
"""Exit codes of jobs that were killed, or warned of the time limit before they could listen."""

REMEDIES = {
    "OUT_OF_MEMORY": "it used more memory than it asked for; give --memory more",
    "TIMEOUT": "its time was over before it could write a checkpoint; give --time more",
    "NODE_FAIL": "its node went down and it was not put back into the queue",
    "DEADLINE": "its deadline passed",
}


@dataclass(frozen=True)
class SlurmOptions:
    """What each job asks of Slurm, for each of its processes."""

    jobs: int = option(0, "jobs that run at once; no limit by default.", least=1)
    partition: str = option("", "the partition.")
    account: str = option("", "the account.")
    gpus: str = option("", "GPUs of each process: a number or type:number, a100:1.")
    cpus: int = option(1, "CPU cores of each process.", least=1)
    memory: str = option("", "memory of each node, 16G.")
    time: str = option("", "time limit of each job, 2:00:00; a job that needs more continues in another one.")
    container: str = option("", "an image for Apptainer or Singularity that has fallline in it.")
    bind: tuple[str, ...] = option(
        (), "a folder for the container to see, besides those of the run, the study and its data. May be repeated."
    )
    python: str = option("", "the Python on the nodes; by default that of the launch, in a container python3.")
    sbatch: tuple[str, ...] = option((), "one more option of sbatch, --sbatch=--constraint=a100. May be repeated.")
    warn: int = option(60, "seconds before its time limit at which a job writes a checkpoint; 60 by default.", least=1)

    def __post_init__(self) -> None:
        for name, pattern in TEXT.items():
            value = str(getattr(self, name))
            object.__setattr__(self, name, value)
            if value and not re.fullmatch(pattern, value):
                raise StudyError(f"{name} = {value!r} is not what sbatch takes for it")
        for name in ("bind", "sbatch"):
            value = getattr(self, name)
            object.__setattr__(self, name, (value,) if isinstance(value, str) else tuple(value))
        if self.cpus < 1 or self.jobs < 0 or self.warn < 1:
            raise StudyError("cpus and warn must be 1 or more, and jobs not negative")
        for line in (*self.sbatch, *self.bind, self.container, self.python):
            if not line.isprintable():
                raise StudyError(f"{line!r} must be one line of text")
        for line in self.sbatch:
            if not line.startswith("-"):
                raise StudyError(f"a line for sbatch begins with -, as in --sbatch=--constraint=a100; got {line!r}")


def launch(launched: Launch) -> dict[str, Any]:
    """Submit the script, once a thousand cohorts; the numbers of the arrays and the first cohort of each."""
    submitted = []
    for first in range(0, len(launched.cohorts), TASKS):
        count = min(TASKS, len(launched.cohorts) - first)
        try:
            told = _ask(
                [
                    "sbatch",
                    "--parsable",
                    f"--array=0-{count - 1}{_at_once(launched)}",
                    f"--export=ALL,FALLLINE_FIRST={first}",
                    str(launched.script),
                ]
            )
        except FalllineError:
            for array, _, _ in submitted:  # all are launched, or none
                _look(["scancel", array])
            raise
        submitted.append([told.strip().split(";")[0], first, count])
    return {"arrays": submitted}


def ready(options: Mapping[str, Any]) -> None:
    """FalllineError where there is no Slurm on this machine."""
    _find("sbatch")


def status(launched: Launch) -> dict[int, JobStatus]:
    """What Slurm says of each element: squeue, then scontrol, then sacct where it answers; else it is lost."""
    found: dict[int, JobStatus] = {}
    for array, first, count in launched.ids.get("arrays", []):
        own = launched.cohorts[first : first + count]
        told, silent = {}, True
        for ask in (_squeue, _scontrol, _sacct):
            if len(told) < count:
                answer = ask(array)
                silent = silent and answer is None
                told = (answer or {}) | told
        unknown = (
            JobStatus(RUNNING, "Slurm does not answer")
            if silent
            else JobStatus(LOST, "Slurm does not know it any more", again=True)
        )
        for place, cohort in enumerate(own):
            found[cohort] = told.get(place, unknown._replace(where=f"{array}_{place}"))
    return found


def cancel(launched: Launch) -> None:
    """Cancel the arrays; Slurm sends SIGTERM first, at which workers write their checkpoints."""
    for array, _, _ in launched.ids.get("arrays", []):
        _ask(["scancel", str(array)])


def place(options: Mapping[str, Any]) -> RemoteDevices:
    """The devices of a job: what this machine has says nothing about them."""
    return RemoteDevices("gpu" if options["gpus"] else "cpu", options["cpus"])


def _at_once(launched: Launch) -> str:
    return f"%{launched.options['jobs']}" if launched.options["jobs"] else ""


def _squeue(array: str) -> dict[int, JobStatus] | None:
    """Elements in the queue; None where the queue does not answer. An array that is over is an error there."""
    told = _look(["squeue", "--noheader", "--array", "--format=%F|%K|%T|%r|%N", f"--jobs={array}"])
    if told is None:
        return None
    found = {}
    for line in told.splitlines():
        number, _, rest = line.strip().partition("|")
        if number == array and len(fields := rest.split("|")) == 4 and fields[0].isdecimal():
            found[int(fields[0])] = _seen(array, fields[0], fields[1], fields[2], fields[3], "")
    return found


def _scontrol(array: str) -> dict[int, JobStatus] | None:
    told = _look(["scontrol", "show", "job", "-o", array])
    if told is None:
        return None
    found = {}
    for line in told.splitlines():
        named = dict(re.findall(r"(\w+)=(\S*)", line))
        if named.get("ArrayJobId") == array and named.get("ArrayTaskId", "").isdecimal():
            place = named["ArrayTaskId"]
            found[int(place)] = _seen(
                array,
                place,
                named.get("JobState", ""),
                named.get("Reason", ""),
                named.get("NodeList", ""),
                named.get("ExitCode", ""),
            )
    return found


def _sacct(array: str) -> dict[int, JobStatus] | None:
    told = _look(
        [
            "sacct",
            "--parsable2",
            "--noheader",
            "--allocations",
            "--format=JobID,State,ExitCode,NodeList",
            f"--jobs={array}",
        ]
    )
    if told is None:
        return None
    found = {}
    for line in told.splitlines():
        fields = line.split("|")
        place = fields[0].removeprefix(f"{array}_")
        if len(fields) == 4 and place.isdecimal():
            found[int(place)] = _seen(array, place, fields[1], "", fields[3], fields[2])
    return found


def _seen(array: str, place: str, state: str, reason: str, node: str, code: str) -> JobStatus:
    """Slurm's words as ours."""
    word = state.split()[0].rstrip("+") if state else ""
    where = f"{array}_{place}" + (f" on {node}" if node and node not in ("(null)", "None assigned") else "")
    if word in GOING:
        plain = "" if reason in ("None", "") else f"Slurm says: {reason}"
        return JobStatus(GOING[word], plain, where)
    if word in ENDED:
        return JobStatus(ENDED[word], "", where)
    if not word:
        return JobStatus(LOST, "Slurm does not say how it stands", where, True)
    if code.startswith(f"{CONTINUE}:"):
        return JobStatus(FAILED, "it is to be continued, and Slurm did not put it back into the queue", where, True)
    exit_code = f", exit code {code}" if code and code != "0:0" else ""
    again = word in AGAIN or code.endswith(ENDED_BY)
    return JobStatus(FAILED, REMEDIES.get(word, f"Slurm says: {word}{exit_code}"), where, again)


def _ask(command: list[str]) -> str:
    """What a command of Slurm prints; FalllineError in its own words where it fails."""
    _find(command[0])
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=ASK_SECONDS, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise FalllineError(f"{command[0]} did not answer within {ASK_SECONDS} s; try again later") from None
    if told.returncode:
        raise FalllineError(f"{command[0]} failed: {told.stderr.strip()[:500] or told.returncode}")
    return told.stdout


def _find(command: str) -> None:
    if shutil.which(command) is None:
        raise FalllineError(
            f"there is no {command} on this machine; executor slurm is for the login node of a "
            "cluster with Slurm. --executor local trains here, --dry-run prints the script"
        )


def _look(command: list[str]) -> str | None:
    """What a command prints; nothing where it does not know the job; None where it does not answer."""
    try:
        return _ask(command)
    except FalllineError as failure:
        return "" if "Invalid job id" in str(failure) else None


SLURM = Executor(
    "slurm",
    "an array of batch jobs on a Slurm cluster",
    SlurmOptions,
    launch,
    status,
    cancel,
    batch_script,
    place=place,
    ready=ready,
)
