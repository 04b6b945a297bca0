"""What an executor is: a value that can launch jobs elsewhere, say how they stand, and end them.

A job is a cohort of a plan file: ``fallline work PLAN K``. Whatever executor runs it, the records come to the run
folder by the worker itself, so collecting them is the same for all: ``fallline.executors.driver``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple

from fallline.contracts.registry import find, parts
from fallline.engine.devices import RemoteDevices
from fallline.errors import StudyError

if TYPE_CHECKING:
    from fallline.store.launches import Launch

WAITING, RUNNING, DONE, FAILED, CANCELLED, LOST = "waiting", "running", "done", "failed", "cancelled", "lost"
OVER = {DONE, FAILED, CANCELLED, LOST}

CONTINUE = 75
"""Exit code of a worker that was asked to stop: its checkpoints are written, start it again."""

AGAIN = 76
"""Exit code of a worker that failed and may do better in another attempt."""

GIVEN_UP = 2
"""Exit code of a worker for which no other attempt is of use."""

MOST_ATTEMPTS = 3
"""Attempts in a row that come no further, after which a worker gives up."""


class JobStatus(NamedTuple):
    """How a job stands as its executor sees it: the state, why, what the executor calls the job, and whether one that
    ended badly may do better where it is relaunched."""

    state: str
    reason: str = ""
    where: str = ""
    again: bool = False


@dataclass(frozen=True)
class Executor:
    """A way to run the cohorts of a plan. ``options`` is a frozen dataclass whose fields ``executors.options.option``
    declares: they are checked when it is made, and ``fallline run`` has a flag for each.

    ``launch`` starts the jobs and gives what the executor calls them, plain values for JSON. ``status`` says how each
    cohort's job stands, ``cancel`` asks all to end. ``show`` gives what would be run, for people. ``stays``: whether
    the jobs are meant to outlive the command that launched them. ``runner`` is for those that have no scheduler of
    their own: what runs a job for ``fallline.executors.supervisor``. ``ready`` raises where nothing can be launched
    from here with these options: a command or a package is missing, or GPUs.
    """

    name: str
    meaning: str
    options: type
    launch: Callable[[Launch], dict[str, Any]]
    status: Callable[[Launch], dict[int, JobStatus]]
    cancel: Callable[[Launch], None]
    show: Callable[[Launch], str]
    stays: bool = True
    runner: Callable[[Launch], Any] | None = None
    place: Callable[[Mapping[str, Any]], RemoteDevices | None] = lambda options: None
    ready: Callable[[Mapping[str, Any]], None] = lambda options: None


def executors() -> dict[str, Executor]:
    """Every executor by its name."""
    return parts("fallline.executors.kinds", Executor)


def find_executor(name: str) -> Executor:
    """The executor of that name, or UnknownName."""
    return find("fallline.executors.kinds", Executor, name)


def check_options(executor: Executor, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options as the executor takes them, complete; StudyError for one it does not take or that breaks a law."""
    known = [option.name for option in fields(executor.options)]
    for name in given:
        if name not in known:
            raise StudyError(f"executor {executor.name} takes no option {name}; it takes " + ", ".join(known))
    missing = [
        option.name
        for option in fields(executor.options)
        if option.name not in given and option.default is MISSING and option.default_factory is MISSING
    ]
    if missing:
        raise StudyError(f"executor {executor.name} needs the option {missing[0]}")
    made = executor.options(**given)
    values = {name: getattr(made, name) for name in known}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
