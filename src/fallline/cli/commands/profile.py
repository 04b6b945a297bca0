"""``fallline profile``: performance profiles over several runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fallline.cli.options import RoundsOption, names_in


def command(
    folders: Annotated[list[Path], typer.Argument(help="Run folders, best of different tasks.", metavar="DIR...")],
    by: Annotated[
        str | None,
        typer.Option(
            help="What is compared: optimizer or another component or hyperparameter of a recipe, or several with "
            "commas between; by default what the first run varies.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write a page (.html) or the picture alone (.svg, .png).", show_default=False)
    ] = None,
    all_rounds: RoundsOption = False,
) -> None:
    """Compare steps to a target over several runs and tasks.

    Runs that do not reach the target count as infinitely many steps. Seconds are compared only where trials ran alone.

    Example: fallline profile runs/mlp-fashion runs/convnet-optimizers --out profile.html
    """
    from fallline.api import open_run
    from fallline.cli.screens import print_whole
    from fallline.errors import StudyError
    from fallline.report.profile import READING, SUFFIXES, answer, arm_table, notes, problem_table, write
    from fallline.report.render.terminal import rich_table
    from fallline.report.tables import frame_table
    from fallline.stats.profiles import profiles

    if out is not None and out.suffix not in SUFFIXES:
        raise StudyError(f"--out takes a file that ends in one of {', '.join(SUFFIXES)}, got {out.name!r}")
    compared = profiles(
        [open_run(folder, all_rounds=all_rounds).records for folder in folders], None if by is None else names_in(by)
    )
    print("\n".join(answer(compared)), end="\n\n")
    print_whole(rich_table(frame_table(arm_table(compared)), "Steps to the target, over the least of each problem"))
    if compared.seconds is not None:
        print()
        print_whole(
            rich_table(frame_table(arm_table(compared, seconds=True)), "Seconds to the target, of trials run alone")
        )
    print()
    print_whole(rich_table(frame_table(problem_table(compared)), "Each problem"))
    print("\n" + "\n".join([READING, *notes(compared)]))
    if out is not None:
        print(f"\n{write(compared, out)}")
