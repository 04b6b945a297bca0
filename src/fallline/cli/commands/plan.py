"""``fallline plan``: what a study would take, before it trains."""

from __future__ import annotations

from typing import Annotated

import typer

from fallline.cli.options import DataOption, PresetOption, SettingsOption, StudyArgument, with_seeds


def command(
    study: StudyArgument,
    preset: PresetOption = None,
    settings: SettingsOption = None,
    seeds: Annotated[int | None, typer.Option(help="Random seeds per setting.", min=1, show_default=False)] = None,
    data: DataOption = None,
    device: Annotated[
        str | None,
        typer.Option(
            help="A device that is not here, by its data sheet: v100, t4, a100, l4, h100 or h200.", show_default=False
        ),
    ] = None,
    compile_all: Annotated[
        bool, typer.Option("--compile", help="Compile every program, however long it takes.")
    ] = False,
    measure: Annotated[
        bool, typer.Option("--measure", help="Train every cohort for a moment, each in its own process.")
    ] = False,
    calibrate: Annotated[bool, typer.Option("--calibrate", help="Measure this device again.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Print what a study would take: time, memory, disk.

    Also its cohorts and why they are separate. Nothing is trained or compiled; the first forecast on a device
    calibrates it, which takes a second or two.

    Example: fallline plan softmax/optimizers --preset quick

    Example: fallline plan convnet/optimizers --device t4
    """
    import json

    from fallline.api import plan_study
    from fallline.cli.planning import print_forecast
    from fallline.cli.screens import chosen_study
    from fallline.cli.terminal import new_screen

    screen = new_screen(stderr=True)
    chosen = chosen_study(study, preset, with_seeds(settings, seeds))
    with screen.status("planning"):
        forecast = plan_study(
            chosen,
            data=data,
            device=device,
            compile_all=compile_all,
            measure=measure,
            calibrate_again=calibrate,
            on_message=lambda line: screen.print(f"{chosen.name}: {line}", highlight=False, markup=False),
        )
    if as_json:
        print(json.dumps(forecast.as_dict(), indent=1))
    else:
        print_forecast(forecast)
