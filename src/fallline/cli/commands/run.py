"""``fallline run``: train a study, print what to use, write the report."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from fallline.cli.executor_flags import with_executor_flags
from fallline.cli.options import (
    DataOption,
    OutOption,
    PresetOption,
    ReportOption,
    SettingsOption,
    StudyArgument,
    with_seeds,
)


def run(
    study: StudyArgument,
    preset: PresetOption = None,
    settings: SettingsOption = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            help="Random seeds per setting; 5 or more show which differences are larger than the seed-to-seed "
            "variation. Seeds that were trained before are kept.",
            min=1,
            show_default=False,
        ),
    ] = None,
    until_decided: Annotated[
        bool,
        typer.Option(
            "--until-decided",
            help="Add seeds in rounds until the best setting differs significantly from the others, or, where the "
            "study makes claims, until each claim is decided.",
        ),
    ] = False,
    max_seeds: Annotated[
        int | None,
        typer.Option(help="The most seeds that --until-decided adds; 100 by default.", min=2, show_default=False),
    ] = None,
    out: OutOption = None,
    data: DataOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue a run that was stopped.")] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start again: an existing run folder is renamed and kept.")
    ] = False,
    devices: Annotated[
        str | None,
        typer.Option(
            help="The devices as a mesh: trial=2,data=2 are two rows that train their own seeds and settings, with two "
            "devices each that share every batch.",
            show_default=False,
        ),
    ] = None,
    scaling: Annotated[bool, typer.Option(help="Measure what more devices buy, where the study asks for it.")] = True,
    report: ReportOption = True,
    executor: Annotated[
        str | None,
        typer.Option(
            help="Train in jobs, one per cohort, on an executor: {executors}; by default in this process. --jobs alone "
            "means local. The flags of executors begin with the names of those that take them.",
            show_default=False,
        ),
    ] = None,
    processes: Annotated[int, typer.Option(help="Processes that train each cohort together.", min=1)] = 1,
    wait: Annotated[bool, typer.Option(help="Wait for the jobs; without, fallline collect does.")] = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Plan, print what would be launched, and launch nothing.")
    ] = False,
    **options: Any,
) -> None:
    """Train a study, print what to use, and write the report.

    All trials train at once. Those that the run folder already holds are not trained again: add a learning rate or
    seeds, and only the new ones run. Trials of the study before an edit are not part of the answer.

    Example: fallline run softmax/optimizers --preset quick --set steps=200 --out runs/first

    Example: fallline run softmax/optimizers --preset quick --until-decided

    Example: fallline run convnet/losses --preset claims

    Example: fallline run softmax/optimizers --executor slurm --partition teaching --gpus 1 --time 1:00:00
    """
    from fallline.cli.run_flags import RunFlags
    from fallline.cli.training import train_study

    train_study(
        RunFlags(
            study=study,
            preset=preset,
            settings=with_seeds(settings, seeds),
            out=out,
            data=data,
            resume=resume,
            fresh=fresh,
            until_decided=until_decided,
            max_seeds=max_seeds,
            devices=devices,
            scaling=scaling,
            report=report,
            executor=executor,
            processes=processes,
            options=options,
            wait=wait,
            dry_run=dry_run,
        )
    )


command = with_executor_flags(run)
