"""Launching the jobs of a study, and collecting what they trained."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from fallline.cli.display import Display
from fallline.cli.ending import say, say_stopped
from fallline.cli.options import typed_command
from fallline.cli.run_flags import RunFlags
from fallline.cli.screens import print_outcome
from fallline.cli.terminal import new_screen

if TYPE_CHECKING:
    from fallline.api import Jobs
    from fallline.study import Study


def launch_study(study: Study, folder: Path, executor: str, flags: RunFlags) -> None:
    """Launch the jobs of a study; wait for them and print what came out, unless ``flags`` say otherwise."""
    from fallline.api import launch

    screen = new_screen(stderr=True)
    try:
        with Display(screen, study.name) as display:
            jobs = launch(
                study,
                folder,
                executor=executor,
                options=flags.options,
                processes=flags.processes,
                resume=flags.resume,
                fresh=flags.fresh,
                data=flags.data,
                devices=flags.devices,
                dry=flags.dry_run,
                on_progress=display.on_progress,
                on_message=display.on_message,
                command=typed_command(),
            )
    except KeyboardInterrupt:
        say_stopped(folder)
        raise
    if not jobs.launched:
        print(f"{study.name}: every trial was already there, nothing was launched", file=sys.stderr)
    elif flags.dry_run:
        print(jobs.script.read_text(encoding="utf-8"), end="")
        return
    else:
        print(f"{study.name}: {jobs.described}", file=sys.stderr)
        if not flags.wait:
            print(
                f"fallline status {folder} shows them, fallline collect {folder} waits for them, fallline cancel "
                f"{folder} ends them",
                file=sys.stderr,
            )
            return
    collect(jobs, study.name, flags.report, stays=jobs.stay)


def collect(jobs: Jobs, name: str, report: bool, wait: bool = True, stays: bool = True) -> None:
    """Wait for the jobs and print the outcome; where some failed, the outcome of the others, and then the error.

    ``stays``: whether the jobs outlive this command when it is interrupted.
    """
    from fallline.api import open_run
    from fallline.errors import JobsError

    screen = new_screen(stderr=True)
    start, failed, display = time.perf_counter(), None, Display(screen, name)
    try:
        with display:
            result = jobs.collect(wait, on_progress=display.on_progress, on_message=display.on_message)
    except KeyboardInterrupt:
        if stays:
            say(
                f"the jobs continue without this command. fallline collect {jobs.folder} waits for them, fallline "
                f"cancel {jobs.folder} ends them."
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
    screen.print(display.closing(time.perf_counter() - start), highlight=False, markup=False)
    print_outcome(result, report, screen)
    if failed is not None:
        raise failed
