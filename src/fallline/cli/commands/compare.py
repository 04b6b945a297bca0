"""``fallline compare``: which arms of a run differ significantly."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fallline.cli.options import FolderArgument, RoundsOption, names_in


def command(
    folder: FolderArgument,
    other: Annotated[
        Path | None, typer.Argument(help="A second run to compare with.", metavar="OTHER", show_default=False)
    ] = None,
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

    Each of what is compared is taken at its own best hyperparameters. Of two runs: what differs between their studies,
    and which best setting is better.

    Example: fallline compare runs/softmax-optimizers-quick

    Example: fallline compare runs/softmax-optimizers-quick --by optimizer --metric test_accuracy

    Example: fallline compare runs/churn runs/churn-wide
    """
    if other is not None:
        _two_runs(folder, other, by, tune, metric, csv, all_rounds)
        return
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


def _two_runs(
    folder: Path, other: Path, by: str | None, tune: str | None, metric: str | None, csv: Path | None, all_rounds: bool
) -> None:
    from fallline.api import open_run
    from fallline.cli.screens import plain_table, print_whole
    from fallline.errors import StudyError
    from fallline.report.formatting import number
    from fallline.report.two_runs import compare_runs

    if by is not None or tune is not None or csv is not None:
        raise StudyError("--by, --tune and --csv are for the arms of one run; leave them out to compare two runs")
    if metric is not None and "test_" in metric:
        raise StudyError(
            f"{metric} would choose the settings of both runs by the held-out test set; compare a validation metric"
        )
    first, second = (open_run(path, "fallline compare", all_rounds).records for path in (folder, other))
    compared = compare_runs(first, second, metric)
    print("\n".join(compared.sentences), end="\n\n")
    table = plain_table("run", "best setting", compared.metric.label, "95 % CI", "seeds", unwrapped=("run",))
    for best in compared.best:
        half = best.half_interval
        mean = float(best.values.mean())
        interval = "-" if half is None else f"{number(mean - half)} to {number(mean + half)}"
        table.add_row(str(best.run.folder), best.setting, number(mean), interval, str(len(best.values)))
    print_whole(table)
    if compared.studies:
        print()
        fields = plain_table("differs", str(folder), str(other))
        for row in compared.studies:
            fields.add_row(*row)
        print_whole(fields)
