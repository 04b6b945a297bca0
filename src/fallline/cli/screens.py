"""What the commands print: tables of studies, of results, of data."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from fallline.cli.terminal import new_screen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fallline.report.terminal import TerminalView
    from fallline.store import Run


def studies_table() -> None:
    """The built-in studies with their questions."""
    from fallline.study import builtin_studies, load_study

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("study", "presets", "question"):
        table.add_column(heading, no_wrap=heading != "question")
    for name in builtin_studies():
        study = load_study(name)
        table.add_row(name, ", ".join({"full": None, **dict.fromkeys(study.presets)}), Text(study.question))
    new_screen().print(table)


def show_run(folder: Path, rows: int, every: bool, all_rounds: bool = False) -> None:
    """The answer of a run, its table, its page and what to type next; with ``every`` all that is known of it."""
    from fallline.api import open_run
    from fallline.report.test_reads import read_chosen
    from fallline.stats.claims import claims

    records = open_run(folder, all_rounds=all_rounds).records
    found = print_shown(records, rows, every)
    read = read_chosen(records, "fallline show", claims(records) if every else ())
    page = records.paths.report / "report.html"
    print_after(found, page if page.exists() else None, read if every else ())


def print_shown(run: Run, rows: int = 20, every: bool = False) -> TerminalView:
    """The answer of a run and its tables; what follows them is in what is returned."""
    from fallline.report.terminal import shown

    found = shown(run, rows, every, room())
    print("\n".join(found.before))
    for table, under in found.tables:
        print()
        print_whole(table)
        print("\n".join(under))
    return found


def print_after(found: TerminalView, page: Path | None, more: Iterable[str] = ()) -> None:
    """Where the page is, and what to type next."""
    print("\n".join(["", *([f"Page: {page}"] if page else []), *found.after, *more]))


def room() -> int | None:
    """How wide a table may be: as the terminal is; a file or a pipe takes any width."""
    console = new_screen()
    return console.width if console.is_terminal else None


def print_whole(table: Table) -> None:
    """Print a table with all its columns: where the terminal is narrower, lines run on rather than lose some."""
    console = new_screen()
    wide = console.measure(table, options=console.options.update(max_width=1000)).maximum
    console.width = max(console.width, wide)
    console.print(table, soft_wrap=console.width == wide)


def budget(examples: int, batch: int, epochs: float | None, steps: int | None, workers: int) -> None:
    """The calculator's sentence."""
    from fallline.batching import epochs_of, steps_of
    from fallline.errors import StudyError

    if (epochs is None) == (steps is None):
        raise StudyError("give either --epochs or --steps, and the other is told")
    told = epochs_of(steps, examples, batch, workers) if epochs is None else steps_of(epochs, examples, batch, workers)
    print(told.sentence)


def data_table(folder: Path | None) -> None:
    """Every data set: what is found, what is missing, what ships in the package."""
    from fallline.datasets import list_data

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("data set", "sample", "full data", "licence"):
        table.add_column(heading)
    for row in list_data(folder):
        if row.missing and row.found:
            where = f"{len(row.missing)} files missing"
        elif row.missing:
            where = f"not found: fallline data get {row.name}"
        else:
            where = str(Path(next(iter(row.found))).parent)
        table.add_row(
            row.name, "in the package" if row.sample_shipped else "-", Text(where, overflow="fold"), Text(row.licence)
        )
    new_screen().print(table)


def fetch(name: str, folder: Path | None) -> None:
    """Fetch one data set with a progress bar."""
    from fallline.datasets import get_data

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=new_screen(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(name, total=None)
        path = get_data(name, folder, progress=lambda done, total: bar.update(task, completed=done, total=total))
    print(path)


def verify(name: str | None, folder: Path | None) -> int:
    """Check files; the exit code."""
    from fallline.datasets import verify_data

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("data set", "file", "state", "detail"):
        table.add_column(heading, overflow="fold")
    rows = verify_data(name, folder)
    for row in rows:
        table.add_row(
            row.dataset,
            row.file,
            row.state,
            Text(str(row.detail or "")),
            style={"wrong": "red", "missing": "dim"}.get(row.state),
        )
    new_screen().print(table)
    return 2 if any(row.state == "wrong" for row in rows) else 0
