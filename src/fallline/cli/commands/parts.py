"""``fallline parts``: what may be written in a recipe."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    kind: Annotated[
        str | None,
        typer.Argument(
            help="optimizers, schedules, losses, metrics, tasks, orders or hyperparameters; by default all.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """List the components of recipes and their hyperparameters.

    Optimizers, schedules, losses, metrics, tasks and orders of the training data, each with its defaults.

    Example: fallline parts losses
    """
    from fallline.cli.parts import parts_table

    parts_table(kind)
