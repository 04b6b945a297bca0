"""The command that writes a run in the files of other tools."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from fallline.cli.terminal import new_screen


def export_run(folder: Path, to: str, out: Path | None, points: int, all_rounds: bool = False) -> None:
    """Write it, print where it is and what to do with it."""
    from fallline.api import open_run
    from fallline.report.earlier import earlier_in_words

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    result = open_run(folder, all_rounds=all_rounds)
    with Progress(*columns, console=new_screen(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(f"{to}: trials", total=None)
        path = result.export(
            to, out, points=points, progress=lambda done, of: bar.update(task, completed=done, total=of)
        )
    print(path)
    look = {
        "tensorboard": f"tensorboard --logdir {path}",
        "mlflow": f"mlflow ui --backend-store-uri sqlite:///{path.resolve()}/mlflow.db",
    }
    if to in look:
        print(f"look at it: {look[to]}")
    if said := earlier_in_words(result.records):
        print(said)
