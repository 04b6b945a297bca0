"""``fallline utilisation``: how well a device is used at each batch size."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fallline.cli.options import DataOption, sizes_in


def command(
    task: Annotated[str, typer.Argument(help="A task (fallline parts tasks).")],
    batches: Annotated[
        str | None,
        typer.Option(help="Batch sizes, with commas between; by default 1, 2, 4 ... 4096.", show_default=False),
    ] = None,
    optimizer: Annotated[str, typer.Option(help="The optimizer.")] = "adam",
    full: Annotated[
        bool, typer.Option("--full", help="With the full data; by default with the sample in the package.")
    ] = False,
    data: DataOption = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write a page (.html), the picture (.svg, .png) or the table (.csv).", show_default=False),
    ] = None,
) -> None:
    """Measure how well this device is used at each batch size.

    Trains one lane alone for a moment at each size and prints the step time, examples per second, the share of the
    device's matmul throughput, and the size beyond which larger batches bring nothing.

    Example: fallline utilisation mnist-softmax --batches 1,16,128,1024 --out use.html
    """
    from fallline.api import measure_utilisation
    from fallline.cli.screens import print_whole
    from fallline.cli.terminal import new_screen
    from fallline.errors import StudyError
    from fallline.report.render.terminal import rich_table
    from fallline.report.tables import frame_table
    from fallline.report.utilisation import SUFFIXES, answer, reported, shown, write

    if out is not None and out.suffix not in SUFFIXES:
        raise StudyError(f"--out takes a file that ends in one of {', '.join(SUFFIXES)}, got {out.name!r}")
    screen = new_screen(stderr=True)
    with screen.status("timing") as status:
        frame = measure_utilisation(
            task,
            sizes_in(batches) if batches else None,
            optimizer=optimizer,
            data="full" if full else "sample",
            folder=data,
            on_message=status.update,
        )
    print(answer(frame, task))
    print(reported(), end="\n\n")
    print_whole(rich_table(frame_table(shown(frame)), f"Batch sizes on {frame['device'][0]}, one lane alone"))
    if out is not None:
        print(f"\n{write(frame, task, out)}")
