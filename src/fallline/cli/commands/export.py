"""``fallline export``: a run in the files of other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fallline.cli.options import FolderArgument, RoundsOption


def command(
    folder: FolderArgument,
    to: Annotated[str, typer.Option(help="tensorboard, mlflow, parquet or csv.")],
    out: Annotated[
        Path | None, typer.Option(help="A new folder; by default DIR/exports/TO.", show_default=False)
    ] = None,
    points: Annotated[
        int,
        typer.Option(
            help="The most points of each curve, evenly spaced, for tensorboard and mlflow; 0: all. parquet and csv "
            "hold all.",
            min=0,
        ),
    ] = 200,
    all_rounds: RoundsOption = False,
) -> None:
    """Write a run for TensorBoard or MLflow, or as tables.

    TensorBoard and MLflow get one run per trial. They need pip install 'fallline[tensorboard]' or pip install
    'fallline[mlflow]'.

    Example: fallline export runs/softmax-optimizers-quick --to tensorboard
    """
    import sys

    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from fallline.api import open_run
    from fallline.cli.terminal import new_screen
    from fallline.report.sentences.earlier import earlier_in_words

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    result = open_run(folder, "fallline export", all_rounds)
    with Progress(*columns, console=new_screen(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(f"{to}: trials", total=None)
        path = result.export(
            to, out, points=points, progress=lambda done, of: bar.update(task, completed=done, total=of)
        )
    print(path)
    viewers = {
        "tensorboard": f"tensorboard --logdir {path}",
        "mlflow": f"mlflow ui --backend-store-uri sqlite:///{path.resolve()}/mlflow.db",
    }
    if to in viewers:
        print(f"look at it: {viewers[to]}")
    if earlier := earlier_in_words(result.records):
        print(earlier)
