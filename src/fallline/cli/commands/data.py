"""``fallline data``: the data sets, how to fetch them, whether their files are right."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fallline.cli.options import DataOption

app = typer.Typer(
    add_completion=False, no_args_is_help=True, rich_markup_mode=None, help="List, fetch and check data sets."
)


@app.command("list")
def list_(data: DataOption = None) -> None:
    """List the data sets and where their files are.

    Example: fallline data list
    """
    from rich.text import Text

    from fallline.cli.screens import plain_table
    from fallline.cli.terminal import new_screen
    from fallline.datasets import list_data

    table = plain_table("data set", "sample", "full data", "licence")
    for row in list_data(data):
        if row.missing and row.found:
            where = f"{len(row.missing)} files missing"
        elif row.missing:
            where = f"not found: fallline data get {row.name}"
        else:
            where = str(Path(next(iter(row.found))).parent)
        sample = "in the package" if row.sample_shipped else "-"
        table.add_row(row.name, sample, Text(where, overflow="fold"), Text(row.licence))
    new_screen().print(table)


@app.command()
def get(
    name: Annotated[str, typer.Argument(help="mnist, fashion-mnist or cifar-10.")], data: DataOption = None
) -> None:
    """Fetch a data set from its public mirrors and check its SHA-256.

    A download that was interrupted continues.

    Example: fallline data get mnist
    """
    import sys

    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from fallline.cli.terminal import new_screen
    from fallline.datasets import get_data

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=new_screen(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(name, total=None)
        path = get_data(name, data, progress=lambda done, total: bar.update(task, completed=done, total=total))
    print(path)


@app.command()
def verify(
    name: Annotated[str | None, typer.Argument(help="One data set; all by default.", show_default=False)] = None,
    data: DataOption = None,
) -> None:
    """Check the files of data sets against their SHA-256.

    The exit code is 2 where one is wrong.

    Example: fallline data verify mnist
    """
    from rich.text import Text

    from fallline.cli.screens import plain_table
    from fallline.cli.terminal import new_screen
    from fallline.datasets import verify_data

    table = plain_table("data set", "file", "state", "detail", fold=True)
    rows = verify_data(name, data)
    for row in rows:
        style = {"wrong": "red", "missing": "dim"}.get(row.state)
        table.add_row(row.dataset, row.file, row.state, Text(str(row.detail or "")), style=style)
    new_screen().print(table)
    raise typer.Exit(2 if any(row.state == "wrong" for row in rows) else 0)
