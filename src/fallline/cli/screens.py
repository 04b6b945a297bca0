"""What several commands print or read: the outcome of a run, tables that keep their columns, the chosen study."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from fallline.cli.ending import say
from fallline.cli.terminal import new_screen
from fallline.errors import StudyError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from fallline.api import Result, StudyCheck
    from fallline.report.terminal import TerminalView
    from fallline.store import Run
    from fallline.study import Study


def chosen_study(
    name: str, preset: str | None, settings: list[str], load: Callable[[str], Study] | None = None
) -> Study:
    """The study of that name or file, or as ``load`` finds it, with the preset and then the settings applied."""
    from fallline.study import Study, load_study, parse_settings, refuse_hidden

    study = (load or load_study)(name)
    study = study.preset(preset) if preset else study
    changes = parse_settings(settings, Study.model_fields)
    if "name" in changes:
        raise StudyError("--set cannot change the name of a study; choose a folder with --out instead")
    study = study.with_(changes) if changes else study
    refuse_hidden(study, changes)
    return study


def checked_study(
    name: str, preset: str | None, settings: list[str], check: Callable[[Study], StudyCheck]
) -> StudyCheck:
    """``check`` of the study of that name or file; what cannot even be loaded has the reasons as its problems."""
    from fallline.api import StudyCheck
    from fallline.api.checking import lines_of
    from fallline.errors import FalllineError

    try:
        chosen = chosen_study(name, preset, settings)
    except FalllineError as failure:
        return StudyCheck(problems=lines_of(failure))
    return check(chosen)


def print_outcome(result: Result, report: bool, screen: Console) -> None:
    """The answer of a run and its table; then its page, where ``report`` asks for one, and what to type next.

    Whatever fails while the answer is printed, be it that its reader left (``fallline run ... | head``): the page is
    written all the same, before the failure is raised.
    """
    from fallline.report.sentences.test_reads import read_chosen

    left = view = page = None
    try:
        try:
            view = print_shown(result.records)
            sys.stdout.flush()
        except Exception as failure:
            left = failure
        if report:
            with screen.status("writing the page"):
                page = result.report()
        else:
            read_chosen(result.records, result.reader)
    except KeyboardInterrupt:
        say(
            f"stopped; everything is trained and kept in {result.folder}. fallline report {result.folder} writes its "
            "page."
        )
        raise
    if left is not None:
        raise left
    assert view is not None
    print_after(view, page)


def print_shown(run: Run, rows: int = 20, every: bool = False) -> TerminalView:
    """Print the answer of a run and its tables; the view that is returned has what comes after them."""
    from fallline.report.terminal import shown

    view = shown(run, rows, every, room())
    print("\n".join(view.before))
    for table, under in view.tables:
        print()
        print_whole(table)
        print("\n".join(under))
    return view


def print_after(view: TerminalView, page: Path | None, more: Iterable[str] = ()) -> None:
    """Where the page is, and what to type next."""
    print("\n".join(["", *([f"Page: {page}"] if page else []), *view.after, *more]))


def room() -> int | None:
    """The width of the terminal; None for a file or a pipe, which take any width."""
    console = new_screen()
    return console.width if console.is_terminal else None


def print_whole(table: Table) -> None:
    """Print a table with all its columns: in a narrower terminal its lines wrap, and no column is lost."""
    console = new_screen()
    wide = console.measure(table, options=console.options.update(max_width=1000)).maximum
    console.width = max(console.width, wide)
    console.print(table, soft_wrap=console.width == wide)


def plain_table(*headings: str, unwrapped: Iterable[str] = (), fold: bool = False) -> Table:
    """An empty table without lines; columns ``unwrapped`` keep each row on one line, ``fold`` breaks long words."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in headings:
        table.add_column(heading, no_wrap=heading in unwrapped, overflow="fold" if fold else "ellipsis")
    return table
