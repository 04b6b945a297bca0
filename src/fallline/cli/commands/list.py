"""``fallline list``: the built-in studies."""

from __future__ import annotations


def command() -> None:
    """List the built-in studies with their questions.

    Example: fallline list
    """
    print_studies()


def print_studies() -> None:
    """One row per built-in study: its name, its presets, its question."""
    from rich.text import Text

    from fallline.cli.screens import plain_table
    from fallline.cli.terminal import new_screen
    from fallline.study import builtin_studies, load_study

    table = plain_table("study", "presets", "question", unwrapped=("study", "presets"))
    for name in builtin_studies():
        study = load_study(name)
        table.add_row(name, ", ".join({"full": None, **dict.fromkeys(study.presets)}), Text(study.question))
    new_screen().print(table)
