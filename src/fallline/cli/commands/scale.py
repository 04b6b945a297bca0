"""``fallline scale``: measure what more devices buy for a study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fallline.cli.options import DataOption, PresetOption, SettingsOption, StudyArgument, sizes_in, typed_command


def command(
    study: StudyArgument,
    devices: Annotated[
        str | None,
        typer.Option(
            help="Counts of devices, with commas between; 2x3 are two hosts with three each. By default the study's, "
            "else 1,2,4.",
            show_default=False,
        ),
    ] = None,
    preset: PresetOption = None,
    settings: SettingsOption = None,
    batches: Annotated[
        str | None,
        typer.Option(help="Batch sizes to measure, with commas between; by default the study's.", show_default=False),
    ] = None,
    repeats: Annotated[
        int | None, typer.Option(help="How often each program is timed; 3 by default.", min=1, show_default=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="The folder; by default runs/NAME-scale.", show_default=False)
    ] = None,
    data: DataOption = None,
) -> None:
    """Measure what more devices buy for a study.

    Three uses of them: one batch split over them, one batch on each, one trial on each. Prints which to use, from what
    batch size a split pays, where the time is spent, and what 8, 64 and 512 devices would give.

    Example: fallline scale workers/scaling --devices 1,2,4
    """
    from fallline.api import default_folder, measure_scaling
    from fallline.cli.screens import chosen_study, print_whole
    from fallline.cli.terminal import new_screen
    from fallline.engine.processes import number
    from fallline.report.scaling.tables import terminal

    chosen = chosen_study(study, preset, settings or [])
    folder = out or Path(f"{default_folder(chosen, preset)}-scale")
    screen = new_screen(stderr=True)
    with screen.status("measuring") as status:
        scaled = measure_scaling(
            chosen,
            devices,
            folder,
            data=data,
            batch_sizes=None if batches is None else sizes_in(batches),
            repeats=repeats,
            on_message=lambda line: screen.print(
                f"{chosen.name}: {line}", highlight=False, markup=False, soft_wrap=True
            ),
            on_program=status.update,
            command=typed_command(),
        )
    if number() > 0:
        return  # the first of the processes prints the outcome
    print("\n".join(scaled.sentences), end="\n\n")
    for table in terminal(scaled):
        print_whole(table)
        print()
    with screen.status("writing the page"):
        page = scaled.report()
    print(f"page: {page}")
