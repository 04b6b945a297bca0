"""``fallline work``: train what is left of one cohort of a plan; what every job runs."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer

STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
"""Signals that ask a worker to stop: Slurm sends them before it ends a job."""


def command(
    plan: Annotated[Path, typer.Argument(help="The plan of a run, RUN/plan.json.", metavar="PLAN")],
    cohort: Annotated[int, typer.Argument(help="The number of the cohort; 0 is the first.", metavar="K")],
) -> None:
    """Train what is left of one cohort: what every job runs.

    It can be run by hand as well. Exit code 0: all is done; 75: asked to stop (SIGTERM, SIGUSR1), run it again to
    continue; 76: failed, try again; 2: failed.

    Example: fallline work runs/softmax-optimizers-quick/plan.json 0
    """
    raise typer.Exit(work_on(plan, cohort))


def work_on(plan: Path, cohort: int) -> int:
    """Train what is left of a cohort; the exit code. Signals that ask to stop are noted from the first moment."""
    received: list[int] = []
    before = [signal.signal(number, lambda got, _: received.append(got)) for number in STOP_SIGNALS]
    try:
        from fallline.executors.process_group import end_with_parent
        from fallline.executors.worker import StopSignal, work  # importing takes a second

        end_with_parent()

        stop = StopSignal(received)
        for number in STOP_SIGNALS:
            signal.signal(number, stop.ask)
        return work(plan, cohort, stop)
    finally:
        for number, handler in zip(STOP_SIGNALS, before, strict=True):
            signal.signal(number, signal.SIG_IGN if received else handler)  # one more signal changes nothing
