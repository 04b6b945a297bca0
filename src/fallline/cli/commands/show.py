"""``fallline show``: the answer of a run and its table."""

from __future__ import annotations

from typing import Annotated

import typer

from fallline.cli.options import FolderArgument, RoundsOption


def command(
    folder: FolderArgument,
    rows: Annotated[int, typer.Option(help="Rows of the table.", min=1)] = 20,
    every: Annotated[
        bool, typer.Option("--all", help="Every configuration, not only each optimizer at its best.")
    ] = False,
    all_rounds: RoundsOption = False,
) -> None:
    """Print what to use, how sure that is, and the table.

    Example: fallline show runs/softmax-optimizers-quick --rows 10
    """
    from fallline.api import open_run
    from fallline.cli.screens import print_after, print_shown
    from fallline.report.sentences.test_reads import read_chosen
    from fallline.stats.claims import claims

    records = open_run(folder, all_rounds=all_rounds).records
    view = print_shown(records, rows, every)
    read = read_chosen(records, "fallline show", claims(records) if every else ())
    page = records.paths.report / "report.html"
    print_after(view, page if page.exists() else None, read if every else ())
