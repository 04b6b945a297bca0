"""``fallline rm``: remove runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    folders: Annotated[list[Path], typer.Argument(help="Run folders.", metavar="DIR...")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove runs with all their records.

    Asks before each. Only run folders that no process uses are removed.

    Example: fallline rm runs/softmax-optimizers-quick
    """
    from fallline.api.runs import remove_run
    from fallline.report.formatting import size
    from fallline.store import open_run

    for folder in folders:
        if not yes:
            trials = open_run(folder).trials.height
            if not typer.confirm(f"Remove {folder} with the records of {trials:,} trials?"):
                continue
        print(f"{folder} is removed, {size(remove_run(folder))}")
