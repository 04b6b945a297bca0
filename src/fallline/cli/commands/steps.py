"""``fallline steps``: epochs as steps, and steps as epochs."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    examples: Annotated[int, typer.Option(help="Training examples.", min=1)],
    batch: Annotated[int, typer.Option(help="Batch size of each worker.", min=1)],
    epochs: Annotated[float | None, typer.Option(help="Epochs, to be turned into steps.", show_default=False)] = None,
    count: Annotated[
        int | None, typer.Option("--steps", help="Steps, to be turned into epochs.", min=1, show_default=False)
    ] = None,
    workers: Annotated[int, typer.Option(help="Workers that each take a batch per step.", min=1)] = 1,
) -> None:
    """Turn epochs into steps, or steps into epochs.

    steps = epochs x examples / (batch x workers).

    Example: fallline steps --epochs 40 --examples 60000 --batch 128
    """
    from fallline.batching import epochs_of, steps_of
    from fallline.errors import StudyError

    if epochs is not None and count is None:
        print(steps_of(epochs, examples, batch, workers).sentence)
    elif count is not None and epochs is None:
        print(epochs_of(count, examples, batch, workers).sentence)
    else:
        raise StudyError("give either --epochs or --steps; the other is computed")
