"""``fallline verify``: whether the files of a run folder are what was written."""

from __future__ import annotations

from typing import Annotated

import typer

from fallline.cli.options import FolderArgument


def command(
    folder: FolderArgument,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair", help="Move what is damaged to DIR/damaged, so that the run with --resume trains it again."
        ),
    ] = False,
) -> None:
    """Check every file of a run folder.

    Prints one line for each thing that is wrong, with its remedy; the exit code is 2 if there is any.

    Example: fallline verify runs/softmax-optimizers-quick
    """
    from fallline.api import repair_run, verify

    if repair:
        for line in repair_run(folder):
            print(line)
    verification = verify(folder)
    print(verification)
    if verification.repairable and not repair:
        print(f"to repair what can be repaired: fallline verify {folder} --repair")
    raise typer.Exit(0 if verification else 2)
