"""``fallline tune``: search the hyperparameters of each optimizer, and compare the best on fresh seeds."""

from __future__ import annotations

from typing import Annotated

import typer

from fallline.cli.options import (
    DataOption,
    OutOption,
    PresetOption,
    ReportOption,
    SettingsOption,
    names_in,
    typed_command,
)


def command(
    study: Annotated[
        str,
        typer.Argument(
            help="A built-in study (fallline list), a TOML file, or a task (fallline parts tasks).",
            metavar="STUDY|TASK",
        ),
    ],
    optimizers: Annotated[
        str | None,
        typer.Option(help="Which optimizers, with commas between; by default those of the study.", show_default=False),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            help="How long to search, 30s, 10m or 1h, or how many trial-steps, 1e6-steps; by default as many brackets "
            "as the study says, and a minute for a task.",
            show_default=False,
        ),
    ] = None,
    preset: PresetOption = None,
    settings: SettingsOption = None,
    out: OutOption = None,
    data: DataOption = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start again: an existing folder is renamed and kept.")
    ] = False,
    report: ReportOption = True,
) -> None:
    """Search the hyperparameters of each optimizer, and compare the best of each on seeds that were never searched.

    All settings of a rung train at once; the best quarter of each optimizer advances to the next rung, with more steps.
    Every optimizer gets the same number of settings. A search that was stopped continues with the same command.

    Example: fallline tune mnist-softmax --optimizers adam,lion --budget 30s

    Example: fallline tune softmax/optimizers --preset quick --budget 2m
    """
    from fallline.api import tune
    from fallline.api.tuning import study_or_task, tuned_folder
    from fallline.cli.display import Display
    from fallline.cli.ending import say
    from fallline.cli.screens import chosen_study, print_outcome
    from fallline.cli.terminal import new_screen

    chosen = chosen_study(study, preset, settings or [], study_or_task)
    folder = out or tuned_folder(chosen)
    screen = new_screen(stderr=True)
    try:
        with Display(screen, chosen.name) as display:
            result = tune(
                chosen,
                folder,
                optimizers=names_in(optimizers or ""),
                budget=budget,
                fresh=fresh,
                data=data,
                on_progress=display.on_progress,
                on_message=display.on_message,
                command=typed_command(),
            )
    except KeyboardInterrupt:
        say(f"stopped; what was searched is kept in {folder}, and the same command continues it.")
        raise
    print_outcome(result, report, screen)
