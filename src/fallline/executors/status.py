"""How the cohorts of a launch stand: by their records first, then by their executor, then by what workers noted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fallline.errors import StoreError
from fallline.executors.process_group import tail
from fallline.executors.protocol import CANCELLED, DONE, FAILED, LOST, OVER, RUNNING, WAITING, JobStatus, find_executor
from fallline.store.launches import CONTINUED, Launch, WorkerNote, launches, notes
from fallline.store.launches import FAILED as NOTED_FAILED
from fallline.store.leases import live
from fallline.store.paths import RunPaths
from fallline.store.writing import RunWriter

UNKNOWN = JobStatus(LOST, "it was not launched")


@dataclass(frozen=True)
class CohortState:
    """One cohort of a launch: its place and name in the plan, how much of it is done, how its job stands and why.

    ``steps`` are its trial-steps in all, ``reached`` those that its worker told of last; ``where`` is the job by its
    executor's name, and the machine. ``again``: it ended badly without a word of its worker, another launch may do
    better.
    """

    number: int
    name: str
    trials: int
    done_trials: int
    blocks: int
    done_blocks: int
    steps: int
    reached: int
    state: str
    reason: str
    where: str
    attempts: int
    again: bool = False


def last_launch(paths: RunPaths) -> Launch:
    """The last launch of a run, or StoreError where there was none."""
    found = launches(paths)
    if not found:
        raise StoreError(
            f"no jobs were launched for {paths.root}; fallline run STUDY --executor local|slurm|ray launches some"
        )
    return found[-1]


def check_nothing_out(paths: RunPaths) -> None:
    """StoreError where jobs of the run wait or train."""
    for launched in launches(paths)[-1:]:
        out = [state for state in states(launched) if state.state not in OVER]
        if out:
            raise StoreError(
                f"{len(out)} jobs of the run in {paths.root} are still out ({launched.executor}); see "
                f"them with fallline status {paths.root}, wait for them with fallline collect "
                f"{paths.root}, or end them with fallline cancel {paths.root}"
            )


def run_states(folder: str | Path) -> list[CohortState]:
    """How the cohorts of the study as it stands do by the last launch of each; StoreError where nothing was ever
    launched. Cohorts of earlier forms of the study are left out."""
    paths = RunPaths(Path(folder))
    last_launch(paths)
    found: dict[int, CohortState] = {}
    for launched in reversed(launches(paths)):
        if not found.keys() >= set(launched.cohorts):
            found = {state.number: state for state in states(launched)} | found
    writer = RunWriter(paths)
    stand = writer.current_blocks()
    own = {
        number
        for number, cohort in enumerate(writer.planned_cohorts())
        if any(block["name"] in stand for block in cohort["blocks"])
    }
    return [found[number] for number in sorted(own & found.keys())]


def states(
    launched: Launch, seen: Mapping[int, JobStatus] | None = None, planned: Sequence[dict[str, Any]] | None = None
) -> list[CohortState]:
    """How its cohorts stand; ``seen`` is what the executor said, which is asked where it is not given, as ``planned``
    is read, the cohorts of the plan."""
    paths = RunPaths(launched.root)
    writer = RunWriter(paths)
    planned = writer.planned_cohorts() if planned is None else planned
    own: dict[int, list[WorkerNote]] = {}
    for note in notes(launched.folder):
        own.setdefault(note.cohort, []).append(note)
    done = {
        number: [block for block in planned[number]["blocks"] if writer.is_done(block["name"])]
        for number in launched.cohorts
        if number < len(planned)
    }  # a plan may have been lost and made again
    if seen is None:
        over = all(len(ended) == len(planned[number]["blocks"]) for number, ended in done.items())
        seen = {} if over or not launched.ids else find_executor(launched.executor).status(launched)
    busy = set(live(paths))
    return [
        _state(number, planned[number], ended, own.get(number, []), seen.get(number, UNKNOWN), busy, launched)
        for number, ended in done.items()
    ]


def _state(
    number: int,
    written: dict,
    done: list[dict],
    own: list[WorkerNote],
    seen: JobStatus,
    busy: set[str],
    launched: Launch,
) -> CohortState:
    blocks = written["blocks"]
    trials = sum(len(block["trials"]) for block in blocks)
    last = own[-1] if own else None
    state, reason = seen.state, seen.reason
    if len(done) == len(blocks):
        state, reason = DONE, ""
    elif state == DONE:  # its worker ended well, and records are missing: they were taken away
        state, reason = LOST, "its worker ended well, and records are missing"
    elif last is not None and last.state == NOTED_FAILED and state in (FAILED, LOST):
        state, reason = FAILED, last.reason
    elif state == LOST and any(block["name"] in busy for block in blocks):
        state, reason = RUNNING, "its worker continues without its executor"
    elif state == LOST and launched.cancelled.exists():
        state, reason = CANCELLED, ""
    elif state == WAITING and last is not None and last.state == CONTINUED and not reason:
        reason = "to be continued"
    elif state == WAITING and last is not None and last.state == NOTED_FAILED:
        reason = f"tried again after: {last.reason}"
    elif state == FAILED and (said := tail(launched.log(number))) and said not in reason:
        reason += f"; it said last: {said}"
    noted = last is not None and last.state == NOTED_FAILED
    again = seen.again and state in (FAILED, LOST) and not noted and not launched.cancelled.exists()
    steps = int(written["budget"]["steps"]) * trials
    where = ", ".join(filter(None, [seen.where, last.host if last and state == RUNNING else ""]))
    return CohortState(
        number,
        written["name"],
        trials,
        sum(len(block["trials"]) for block in done),
        len(blocks),
        len(done),
        steps,
        steps if state == DONE else last.reached if last else 0,
        state,
        reason,
        where,
        len(own),
        again,
    )
