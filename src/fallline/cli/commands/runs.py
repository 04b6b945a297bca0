"""``fallline runs``: the run folders here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    root: Annotated[Path, typer.Argument(help="The folder that holds runs.", metavar="DIR")] = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """List the runs here: state, trials, answer.

    The last written comes first. The answer is that of the report; a run without one has none yet.

    Example: fallline runs
    """
    from fallline.api import list_runs

    found = list_runs(root)
    if as_json:
        import json

        print(json.dumps([{**vars(run), "folder": str(run.folder)} for run in found], indent=1))
        return
    if not found:
        print(f"there is no run in {root}")
        return
    from rich.text import Text

    from fallline.cli.screens import plain_table
    from fallline.cli.terminal import new_screen
    from fallline.report.formatting import count, size

    table = plain_table(
        "folder", "state", "trials", "age", "size", "question and answer", unwrapped=("state", "age", "size")
    )
    for run in found:
        words = " ".join(filter(None, [run.question, run.answer or run.problem]))
        table.add_row(
            Text(str(run.folder), overflow="fold"),
            run.state,
            count(run.trials),
            age(run.age_seconds),
            size(run.size_bytes),
            Text(words),
        )
    new_screen().print(table)


def age(seconds: float) -> str:
    """ "3 min", "5 h", "12 days" in the largest whole unit."""
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length or (unit != "days" and seconds >= length):
            return f"{int(seconds // length)} {unit}"
    return "just now"
