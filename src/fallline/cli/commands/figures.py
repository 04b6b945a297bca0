"""``fallline figures``: the figures of a run or of a scaling measurement as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fallline.cli.options import FolderArgument, RoundsOption, names_in


def command(
    folder: FolderArgument,
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Figures by name, as on the page; by default all.", metavar="NAME", show_default=False),
    ] = None,
    formats: Annotated[
        str, typer.Option("--format", help="The formats to write, with commas between.")
    ] = "svg,pdf,png",
    out: Annotated[
        Path | None, typer.Option(help="The folder for them; by default DIR/report/figures.", show_default=False)
    ] = None,
    all_rounds: RoundsOption = False,
) -> None:
    """Write the figures of a run as SVG, PDF and PNG files.

    DIR may also be a folder of fallline scale.

    Example: fallline figures runs/softmax-optimizers-quick sensitivity --format pdf --out paper
    """
    write_figures(folder, names or [], formats, out, all_rounds)


def write_figures(folder: Path, names: list[str], formats: str, out: Path | None, all_rounds: bool = False) -> None:
    """Draw them and print their paths."""
    from fallline.api import open_run
    from fallline.cli.terminal import new_screen
    from fallline.report.scaling.result import Scaled
    from fallline.scaling.folder import ScaleFolder

    result = Scaled.open(folder) if ScaleFolder(folder).exists else open_run(folder, "fallline figures", all_rounds)
    with new_screen(stderr=True).status("drawing"):
        written = result.figures(*names, formats=names_in(formats), folder=out)
    print("\n".join(map(str, written)))
