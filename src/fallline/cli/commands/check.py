"""``fallline check``: all that is wrong with a study, and what it would do."""

from __future__ import annotations

import typer

from fallline.cli.options import DataOption, PresetOption, SettingsOption, StudyArgument


def command(
    study: StudyArgument, preset: PresetOption = None, settings: SettingsOption = None, data: DataOption = None
) -> None:
    """Say all that is wrong with a study, train nothing.

    Every field, name, value and column is examined, and all errors are printed at once. Of a study that is right: what
    it would do, and what was decided for each column of its table. Exit code 2 where something is wrong.

    Example: fallline check churn.toml
    """
    from fallline.api import check_study
    from fallline.cli.screens import checked_study

    check = checked_study(study, preset, settings or [], lambda chosen: check_study(chosen, data=data))
    if not check:
        count = len(check.problems)
        print(f"{study}: {count} thing{'s' * (count != 1)} to correct")
        for number, problem in enumerate(check.problems, start=1):
            print(f"{number}. {problem}")
        raise typer.Exit(2)
    for line in check.plan:
        print(line)
    if check.columns:
        _print_columns(check.columns)
    for note in check.notes:
        print(f"- {note}")
    print(f"Nothing is wrong with it. Run it: fallline run {study}")


def _print_columns(rows: list[tuple[object, ...]]) -> None:
    from rich.text import Text

    from fallline.cli.screens import plain_table, print_whole

    table = plain_table(
        "column", "kind", "why", "values", "missing", "input of the model", unwrapped=("column", "kind")
    )
    for row in rows:
        table.add_row(*(Text(str(value)) for value in row))
    print()
    print_whole(table)
    print()
