"""``fallline collect``: wait for the jobs of a run and print its outcome."""

from __future__ import annotations

from typing import Annotated

import typer

from fallline.cli.options import FolderArgument, ReportOption


def command(
    folder: FolderArgument,
    wait: Annotated[bool, typer.Option(help="Wait for jobs that are not finished; without, they are an error.")] = True,
    report: ReportOption = True,
) -> None:
    """Wait for the jobs of a run, then print what to use.

    Then the report is written, as after fallline run.

    Example: fallline collect runs/softmax-optimizers-quick
    """
    from fallline.api import jobs
    from fallline.cli.jobs import collect

    collect(jobs(folder, "fallline collect"), folder.name, report, wait=wait)
