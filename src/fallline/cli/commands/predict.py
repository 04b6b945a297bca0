"""``fallline predict``: the best trial of a run on new rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fallline.cli.options import FolderArgument


def command(
    folder: FolderArgument,
    rows: Annotated[Path, typer.Argument(help="New rows: CSV, TSV, Parquet or xlsx.", metavar="FILE")],
    out: Annotated[
        Path | None, typer.Option(help="A CSV file; by default FILE-predicted.csv.", show_default=False)
    ] = None,
    trial: Annotated[
        str | None,
        typer.Option(help="A trial by the first letters of its name; by default the best.", show_default=False),
    ] = None,
) -> None:
    """Predict new rows with the best trial of a run.

    The rows are encoded as the training rows were. Each gets a prediction and, for classes, their probabilities.

    Example: fallline predict runs/churn new-customers.csv
    """
    from fallline.api import predict
    from fallline.store.files import write_text

    path = out or rows.with_name(f"{rows.name.split('.')[0]}-predicted.csv")
    predicted = predict(folder, rows, trial)
    write_text(path, predicted.write_csv())
    print(f"{predicted.height:,} rows with predictions are in {path}")
