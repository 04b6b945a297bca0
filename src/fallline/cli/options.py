"""Arguments and flags that several commands share, and how their values are read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

StudyArgument = Annotated[
    str, typer.Argument(help="A built-in study (fallline list) or a TOML file.", metavar="NAME|FILE")
]
PresetOption = Annotated[
    str | None,
    typer.Option(
        "--preset",
        show_default=False,
        help="A smaller or larger form of the study: quick (small data, under a minute), full (the default), or claims "
        "where the study has it (judges every claim, about ten minutes).",
    ),
]
SettingsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Change a field of the study: steps=500, seeds=3, axes.learning_rate=[0.1,0.01]. May be repeated.",
        show_default=False,
    ),
]
OutOption = Annotated[
    Path | None, typer.Option("--out", help="The run folder; by default runs/NAME.", show_default=False)
]
DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        show_default=False,
        help="A folder with full data sets (mnist/, ...); by default FALLLINE_DATA, then the user's cache.",
    ),
]
FolderArgument = Annotated[Path, typer.Argument(help="A run folder.", metavar="DIR")]
ReportOption = Annotated[bool, typer.Option(help="Write the report page afterwards.")]
RoundsOption = Annotated[
    bool,
    typer.Option(
        "--all-rounds",
        help="Count the trials of earlier forms of the study as well, which an edit of it left in the folder.",
    ),
]


def names_in(text: str) -> list[str]:
    """The names in a comma-separated list."""
    return [name for name in (part.strip() for part in text.split(",")) if name]


def sizes_in(text: str) -> list[int]:
    """The batch sizes in ``1,8,64``, ascending; HyperparameterError for anything else."""
    from fallline.errors import HyperparameterError

    parts = names_in(text)
    if not parts or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise HyperparameterError(
            f"--batches takes whole numbers >= 1 with commas between, got {text[:60]!r}; write 1,8,64"
        )
    return sorted({int(part) for part in parts})


def with_seeds(settings: list[str] | None, seeds: int | None) -> list[str]:
    """The values of --set with those of --seeds."""
    return [*(settings or []), *([] if seeds is None else [f"seeds={seeds}"])]


def typed_command() -> str:
    """The command as a person typed it, for the records."""
    import shlex
    import sys

    return shlex.join(["fallline", *sys.argv[1:]])
