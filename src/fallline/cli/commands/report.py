"""``fallline report``: the page of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fallline.cli.options import FolderArgument, RoundsOption


def command(
    folder: FolderArgument,
    out: Annotated[
        Path | None, typer.Option(help="The page; by default DIR/report/report.html.", show_default=False)
    ] = None,
    all_rounds: RoundsOption = False,
) -> None:
    """Write the report of a run: page, Markdown and tables.

    The page needs no network; the tables are CSV and LaTeX.

    Example: fallline report runs/softmax-optimizers-quick
    """
    from fallline.api import open_run

    print(open_run(folder, "fallline report", all_rounds).report(out))
