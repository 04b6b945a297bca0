"""Runs whose cohorts train elsewhere: plan and launch, see how they stand, end them, collect what they left."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fallline.engine.devices import planning_for
from fallline.engine.mesh import Mesh
from fallline.errors import JobsError, StoreError, StudyError
from fallline.executors.protocol import DONE, LOST, OVER, check_options, find_executor
from fallline.executors.status import CohortState, check_nothing_out, last_launch, run_states, states
from fallline.forecast import cohorts
from fallline.store.files import write_text
from fallline.store.launches import Launch, new_launch, notes
from fallline.store.paths import RunPaths
from fallline.store.place import Place, held
from fallline.store.resolved import read_study
from fallline.store.undo import Undo
from fallline.store.writing import RunWriter
from fallline.study import Study
from fallline.study.spec import MAX_LINES
from fallline.training.context import TrainingContext
from fallline.training.outputs import outputs_missing, write_outputs
from fallline.training.planning import blocks_left, cohort_from_plan, plan_run, plan_smaller
from fallline.training.portability import check_portable
from fallline.training.predictions import write_mistakes
from fallline.training.progress import OnProgress, Progress, ProgressCount

LOOK_SECONDS = 0.5

MOST_LAUNCHES = 10
"""Launches that one command makes, the first and those of what has to be relaunched."""

LOST_SECONDS = 5.0
"""After how long it is asked once more whether jobs are lost, before that is believed."""

ASK_SECONDS = 10.0
"""How long the scheduler is left alone between two questions, once jobs run for a while."""


@dataclass(frozen=True)
class LaunchRequest:
    """What to launch: over which executor, with which of its options, by how many processes a cohort, and on which
    mesh of their devices.
    """

    executor: str
    options: Mapping[str, Any]
    processes: int = 1
    mesh: Mesh | None = None


def launch_run(
    study: Study,
    out: Path,
    ask: LaunchRequest,
    resume: bool = False,
    folder: Path | None = None,
    on_progress: OnProgress | None = None,
    command: str = "",
    dry: bool = False,
) -> Launch | None:
    """Plan what ``study`` has no records of and launch a job a cohort; None where nothing is left to train.

    ``dry``: everything but the launch itself. StoreError where jobs of an earlier launch are still out. Where it is
    refused, the folder is as it was before.
    """
    executor = find_executor(ask.executor)
    options = check_options(executor, ask.options)
    if ask.processes < 1:
        raise StudyError(f"processes must be 1 or more, got {ask.processes}")
    check_portable(study)
    paths = RunPaths(out)
    check_nothing_out(paths)
    if ask.processes > 1 and (ask.mesh is None or ask.mesh.devices % ask.processes):
        raise StudyError(
            f"{ask.processes} processes train a cohort together on a mesh, as many devices in each: "
            f"--devices data={ask.processes}, for example"
        )
    setup = TrainingContext(study, folder, mesh=ask.mesh, remote=True, forecaster=cohorts)
    setup.check()
    if not dry:
        executor.ready(options)
    with RunWriter.open(paths, setup.study, resume or not _begun(paths)) as writer, Undo(paths):
        known = writer.known_trials()
        setup.say = ProgressCount(setup.trials, known, study.metric, on_progress or (lambda progress: None)).say
        with planning_for(executor.place(options)):
            plan_run(setup, writer, known, command, options.get("jobs") or 1)
        writer.note_places(study.folder, folder)
        return _launch_left(writer, ask.executor, options, ask.processes, dry)


def collect_run(
    out: Path, wait: bool = True, on_progress: OnProgress | None = None, on_message: Callable[[str], None] | None = None
) -> list[CohortState]:
    """Wait for the jobs of the last launch, launch what has to be planned again, and finish the run's records.

    How every cohort ended. JobsError where some did not end well, after the rest was finished; StoreError where jobs
    are out and ``wait`` is not wanted.
    """
    paths = RunPaths(out)
    on_message = on_message or (lambda line: None)
    with held(out) as place:
        return _collected(paths, wait, on_progress, on_message, place)


def _collected(
    paths: RunPaths, wait: bool, on_progress: OnProgress | None, on_message: Callable[[str], None], place: Place | None
) -> list[CohortState]:
    for _ in range(MOST_LAUNCHES):
        launched = last_launch(paths)
        ended = _wait(launched, wait, on_progress, place)
        again, why = _in_smaller_parts(launched), "the memory ran out, so it is planned in smaller parts"
        if again is None:
            again, why = _once_more(launched, ended), "it ended without a word of its worker"
        if again is None:
            break
        on_message(f"relaunched what was left of {len(again.cohorts)} jobs: {why}")
    found = run_states(paths.root)
    if any(state.done_blocks for state in found):
        _finish(paths)
    _check_all_done(paths, found)
    return found


def cancel_run(out: Path) -> Launch:
    """Ask the jobs of the last launch to end; those that train write checkpoints first."""
    launched = last_launch(RunPaths(out))
    launched.cancelled.touch()
    find_executor(launched.executor).cancel(launched)
    return launched


def _check_all_done(paths: RunPaths, found: list[CohortState]) -> None:
    """JobsError that names what did not end well, a line each."""
    bad = [state for state in found if state.state != DONE]
    if not bad:
        return
    lines = [
        f"  cohort {state.number} {state.state}" + (f": {state.reason}" if state.reason else "")
        for state in bad[:MAX_LINES]
    ]
    more = [f"  and {len(bad) - MAX_LINES} more; fallline status {paths.root} lists them"] if bad[MAX_LINES:] else []
    logs = last_launch(paths).folder / "logs"
    raise JobsError(
        "\n".join(
            [
                f"{len(bad)} of {len(found)} cohorts of the run in {paths.root} are not done:",
                *lines,
                *more,
                f"What they printed is in {logs}. What was trained is kept: continue with the same command and "
                "--resume",
            ]
        )
    )


def _begun(paths: RunPaths) -> bool:
    """Whether anything of the run was ever trained: what was only planned is no run that was stopped."""
    return bool(paths.done_blocks()) or any(paths.checkpoints.glob("*")) or not paths.plan.exists()


def _launch_left(
    writer: RunWriter, name: str, options: Mapping[str, Any], processes: int, dry: bool = False
) -> Launch | None:
    """Jobs for all cohorts with blocks left."""
    stand = writer.current_blocks()
    left = tuple(
        place
        for place, cohort in enumerate(writer.planned_cohorts())
        if any(name in stand for name, _ in blocks_left(writer, cohort))
    )
    if not left:
        return None
    return _launch(writer.paths, name, left, options, processes, dry)


def _launch(
    paths: RunPaths, name: str, cohorts: tuple[int, ...], options: Mapping[str, Any], processes: int, dry: bool = False
) -> Launch:
    executor = find_executor(name)
    launched = new_launch(paths, name, cohorts, processes, options)
    write_text(launched.script, executor.show(launched))
    return launched if dry else launched.with_ids(executor.launch(launched))


def _wait(launched: Launch, wait: bool, on_progress: OnProgress | None, place: Place | None) -> list[CohortState]:
    """How the jobs ended; the scheduler is asked less and less often, the run folder often."""
    planned = RunWriter(RunPaths(launched.root)).planned_cohorts()
    begun, asked, seen = time.monotonic(), float("-inf"), None
    lost_since: float | None = None
    while True:
        if place is not None:
            place.check()
        now = time.monotonic()
        if now - asked >= (LOST_SECONDS if lost_since else min(ASK_SECONDS, (now - begun) / 5)):
            seen, asked = find_executor(launched.executor).status(launched) if launched.ids else {}, now
        found = states(launched, seen, planned)
        if on_progress:
            on_progress(_progress(launched, found))
        lost_since = (lost_since or asked) if any(state.state == LOST for state in found) else None
        out = [state for state in found if state.state not in OVER]
        if not out and (lost_since is None or asked - lost_since >= LOST_SECONDS):
            return found
        if out and not wait:
            raise StoreError(
                f"{len(out)} of {len(found)} jobs of the run in {launched.root} are still out; "
                "fallline status shows them, fallline collect without --no-wait waits for them"
            )
        time.sleep(LOOK_SECONDS)


def _progress(launched: Launch, found: list[CohortState]) -> Progress:
    own = notes(launched.folder)
    latest = {note.cohort: note for note in own}
    done = sum(
        state.steps if state.state == DONE else latest[state.number].reached if state.number in latest else 0
        for state in found
    )
    words: dict[str, int] = {}
    for state in found:
        words[state.state] = words.get(state.state, 0) + 1
    phase = "training, " + ", ".join(f"{count} {word}" for word, count in words.items())
    return Progress(
        done,
        sum(state.steps for state in found),
        sum(note.diverged for note in latest.values()),
        phase,
        sum(state.done_trials for state in found),
        sum(state.trials for state in found),
        sum(note.stopped for note in latest.values()),
        float(done),
        float(sum(state.steps for state in found)),
    )


def _in_smaller_parts(launched: Launch) -> Launch | None:
    """A launch of what is left of cohorts whose memory ran out, planned in parts that need less; None where none is."""
    large = {note.cohort for note in notes(launched.folder) if note.out_of_memory}
    if not large:
        return None
    paths = RunPaths(launched.root)
    study_folder, data = RunWriter(paths).places()
    study = read_study(paths.study, study_folder)
    with RunWriter.open(paths, study, resume=True) as writer:
        setup = TrainingContext(study, data, remote=True, forecaster=cohorts)
        place = find_executor(launched.executor).place(launched.options)
        found = False
        for number in sorted(large):
            written = writer.planned_cohorts()[number]
            left = blocks_left(writer, written)
            if left:
                with planning_for(place):
                    plan_smaller(setup, writer, cohort_from_plan(setup, writer, written), left)
                found = True
        return _launch_left(writer, launched.executor, launched.options, launched.processes) if found else None


def _once_more(launched: Launch, ended: list[CohortState]) -> Launch | None:
    """A launch of the jobs that their executor lost or that were killed with all that saw to them; None of none."""
    silent = tuple(state.number for state in ended if state.again)
    if not silent:
        return None
    paths = RunPaths(launched.root)
    return _launch(paths, launched.executor, silent, launched.options, launched.processes)


def _finish(paths: RunPaths) -> None:
    """Make what needs the records of all cohorts."""
    study_folder, data = RunWriter(paths).places()
    study = read_study(paths.study, study_folder)
    with RunWriter.open(paths, study, resume=True) as writer:
        setup = TrainingContext(study, data, remote=True)
        write_mistakes(setup, writer)
        if outputs_missing(writer):
            write_outputs(setup, writer)
