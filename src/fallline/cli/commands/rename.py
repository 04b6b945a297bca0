"""``fallline rename``: another name for a run."""

from __future__ import annotations

from typing import Annotated

import typer

from fallline.cli.options import FolderArgument


def command(
    folder: FolderArgument, name: Annotated[str, typer.Argument(help="The new name, or a path.", metavar="NAME")]
) -> None:
    """Rename a run folder.

    A name without a slash stays in the same folder. The records are not changed.

    Example: fallline rename runs/churn churn-first-try
    """
    from fallline.api.runs import rename_run

    print(f"{folder} is now {rename_run(folder, name)}")
