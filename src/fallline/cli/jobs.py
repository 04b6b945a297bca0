"""What ``fallline run --executor``, ``work``, ``status``, ``cancel`` and ``collect`` do and print."""

from __future__ import annotations

import shlex
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from fallline.cli.ending import say
from fallline.cli.terminal import new_screen
from fallline.cli.training import Display, print_outcome, say_stopped
from fallline.errors import StudyError

if TYPE_CHECKING:
    from fallline.api import Jobs
    from fallline.study import Study


ASKING = (signal.SIGTERM, signal.SIGUSR1)
"""Signals that ask a worker to stop: Slurm sends them before it ends a job."""


def over_which(elsewhere: dict[str, Any]) -> str | None:
    """The executor that is meant, or None: train in this process."""
    if elsewhere["executor"] is None:
        options = elsewhere["options"]
        if set(options) == {"jobs"}:
            return "local"
        if options or elsewhere["dry"] or not elsewhere["wait"]:
            given = [*options, *["dry-run"] * elsewhere["dry"], *["no-wait"] * (not elsewhere["wait"])]
            raise StudyError(f"--{given[0]} is for jobs; say which: --executor local, slurm or ray")
        return "local" if elsewhere["processes"] > 1 else None
    return elsewhere["executor"]


def launch_study(
    study: Study, folder: Path, elsewhere: dict[str, Any], data: Path | None, resume: bool, report: bool
) -> None:
    """Launch the jobs of a study; wait for them and print what came out, unless told otherwise."""
    from fallline.api import launch

    screen = new_screen(stderr=True)
    try:
        with Display(screen, study.name) as display:
            jobs = launch(
                study,
                folder,
                executor=elsewhere["executor"],
                options=elsewhere["options"],
                processes=elsewhere["processes"],
                resume=resume,
                data=data,
                listen=display.hear,
                command=shlex.join(["fallline", *sys.argv[1:]]),
                dry=elsewhere["dry"],
                devices=elsewhere["devices"],
                fresh=elsewhere["fresh"],
                tell=display.tell,
            )
    except KeyboardInterrupt:
        say_stopped(folder)
        raise
    if not jobs.launched:
        print(f"{study.name}: every trial was already there, nothing was launched", file=sys.stderr)
    elif elsewhere["dry"]:
        print(jobs.script.read_text(encoding="utf-8"), end="")
        return
    else:
        print(f"{study.name}: {jobs.described}", file=sys.stderr)
        if not elsewhere["wait"]:
            print(
                f"fallline status {folder} shows them, fallline collect {folder} waits for them, fallline cancel "
                f"{folder} ends them",
                file=sys.stderr,
            )
            return
    _collect(jobs, study.name, report, stays=jobs.stay)


def work_on(plan: Path, cohort: int) -> int:
    """Train what is left of a cohort; signals that ask to stop are heard from here on."""
    heard: list[int] = []
    before = [signal.signal(number, lambda got, _: heard.append(got)) for number in ASKING]  # imports take a second
    try:
        from fallline.executors.process_group import end_with_parent
        from fallline.executors.worker import StopSignal, work

        end_with_parent()

        stop = StopSignal(heard)
        for number in ASKING:
            signal.signal(number, stop.ask)
        return work(plan, cohort, stop)
    finally:
        for number, handler in zip(ASKING, before, strict=True):
            signal.signal(number, signal.SIG_IGN if heard else handler)  # who asks may ask again


def print_status(folder: Path) -> None:
    """A line a cohort, and what to type next."""
    from fallline.api import jobs
    from fallline.cli.screens import print_whole
    from fallline.report.earlier import earlier_in_words
    from fallline.store import Run

    launched = jobs(folder)
    frame = launched.status()
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("cohort", "name", "state", "trials", "steps", "job", "starts", "why"):
        table.add_column(heading)
    for row in frame.iter_rows(named=True):
        share = 100 * row["reached"] / row["steps"] if row["steps"] else 0
        table.add_row(
            str(row["number"]),
            Text(row["name"]),
            row["state"],
            f"{row['done_trials']} of {row['trials']}",
            f"{share:.0f} %",
            Text(row["where"]),
            str(row["attempts"]),
            Text(row["reason"]),
        )
    print_whole(table)
    print(launched.described)
    words = dict(frame["state"].value_counts().iter_rows())
    print(", ".join(f"{count} {word}" for word, count in sorted(words.items())))
    if said := earlier_in_words(Run(folder)):
        print(said)


def cancel_jobs(folder: Path) -> None:
    """Ask the jobs to end."""
    from fallline.api import jobs

    jobs(folder).cancel()
    print(
        f"the jobs of {folder} were asked to end; fallline status {folder} shows when they have. Go on with the same "
        "command and --resume"
    )


def collect_jobs(folder: Path, wait: bool, report: bool) -> None:
    """Wait for the jobs and print what came out."""
    from fallline.api import jobs

    launched = jobs(folder, "fallline collect")
    _collect(launched, folder.name, report, wait=wait)


def _collect(jobs: Jobs, name: str, report: bool, wait: bool = True, stays: bool = True) -> None:
    """The records of the jobs; where some failed, what there is, and then the error."""
    from fallline.api import open_run
    from fallline.errors import JobsError

    screen = new_screen(stderr=True)
    begun, failed = time.perf_counter(), None
    try:
        with Display(screen, name) as display:
            result = jobs.collect(wait, listen=display.hear, tell=display.tell)
    except KeyboardInterrupt:
        if stays:
            say(
                f"the jobs go on without this command. fallline collect {jobs.folder} waits for them, fallline cancel "
                f"{jobs.folder} ends them."
            )
        else:
            jobs.cancel()
            say_stopped(jobs.folder)
        raise
    except JobsError as failure:
        failed = failure
        if not any((jobs.folder / "trials").glob("*.parquet")):
            raise
        result = open_run(jobs.folder, jobs.reader)
    screen.print(display.closing(time.perf_counter() - begun), highlight=False, markup=False)
    print_outcome(result, report, screen)
    if failed is not None:
        raise failed
