"""``fallline compare``: which arms of a run differ significantly."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fallline.cli.options import FolderArgument, RoundsOption, names_in


def command(
    folder: FolderArgument,
    by: Annotated[
        str | None,
        typer.Option(
            help="What is compared: optimizer, batch_size or another component or hyperparameter of a recipe, or "
            "several with commas between; by default what the study varies.",
            show_default=False,
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help="The metric: validation_loss, test_accuracy ...; by default what ranks the run.", show_default=False
        ),
    ] = None,
    tune: Annotated[
        str | None,
        typer.Option(
            help="Hyperparameters that are tuned for each, on validation data, with commas between; by default all "
            "that vary and are not compared.",
            show_default=False,
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(help="Write the table to this file, the pairs to NAME-pairs.csv beside it.", show_default=False),
    ] = None,
    all_rounds: RoundsOption = False,
) -> None:
    """Print what is best, and which differences are significant.

    Each of what is compared is taken at its own best hyperparameters.

    Example: fallline compare runs/softmax-optimizers-quick

    Example: fallline compare runs/softmax-optimizers-quick --by optimizer --metric test_accuracy
    """
    from fallline.api import open_run
    from fallline.cli.screens import print_whole
    from fallline.report.comparison import opening, tables

    result = open_run(folder, "fallline compare", all_rounds)
    comparison = result.compare(None if by is None else names_in(by), metric, None if tune is None else names_in(tune))
    print("\n".join(opening(comparison)), end="\n\n")
    for table, under in tables(comparison):
        print_whole(table)
        print("\n".join([*under, ""]))
    print("\n".join(comparison.notes))
    if csv is not None:
        pairs = csv.with_name(f"{csv.stem}-pairs{csv.suffix}")
        comparison.write(csv, pairs)
        print(f"\n{csv}\n{pairs}")
