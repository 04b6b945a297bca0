"""The figures of a report as files, drawn when they are asked for: the page draws its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fallline.errors import UnknownName
from fallline.report.export import FORMATS, write_figure
from fallline.report.figures import RenderedFigure, drawn
from fallline.report.leading_figures import of_the_page
from fallline.scaling.folder import ScaleFolder
from fallline.store import Run

if TYPE_CHECKING:
    from fallline.report.scaling.result import Scaled

COMMAND = "fallline figures DIR"
"""What draws the files, for what says how to get them; DIR is the run folder."""


def write_figures(
    run: Run, names: Sequence[str] = (), formats: Sequence[str] = FORMATS, folder: Path | None = None
) -> list[Path]:
    """Write the figures of the run's page as ``NAME.svg``, ``.pdf`` and ``.png``; the paths written.

    ``names`` are the page's own, by default all; ``folder`` is by default ``report/figures`` in the run folder. Light
    theme; the PNG at twice the size; without what only a pointer can show. UnknownName for a figure that the page has
    not or another format, StoreError where there are no results or the folder cannot be written.
    """
    makers = {name: lambda name=name, spec=spec: drawn(run, spec, name) for name, spec in of_the_page(run).items()}
    if ScaleFolder(run.paths.scaling).exists:
        from fallline.report.scaling.result import Scaled

        makers |= _of_scaling(Scaled.open(run.paths.scaling))
    return _written(makers, names, formats, folder or run.paths.report / "figures", f"the page of {run.folder}")


def write_scaling_figures(
    scaled: Scaled, names: Sequence[str] = (), formats: Sequence[str] = FORMATS, folder: Path | None = None
) -> list[Path]:
    """The same for the page of a scale measurement."""
    return _written(
        _of_scaling(scaled), names, formats, folder or scaled.files.report / "figures", f"the page of {scaled.folder}"
    )


def _of_scaling(scaled: Scaled) -> dict[str, Callable[[], RenderedFigure]]:
    from fallline.report.scaling.pictures import pictures

    return {picture.name: lambda picture=picture: picture for picture in pictures(scaled)}


def _written(
    makers: dict[str, Callable[[], RenderedFigure]],
    names: Sequence[str],
    formats: Sequence[str],
    folder: Path,
    where: str,
) -> list[Path]:
    for name in names:
        if name not in makers:
            raise UnknownName("figure", name, makers, where)
    for kind in formats:
        if kind not in FORMATS:
            raise UnknownName("format of a figure", kind, FORMATS)
    wanted = dict.fromkeys(names or makers)
    return [path for name in wanted for path in write_figure(folder, makers[name](), formats)]


def at_hand(run: Run, folder: Path) -> set[str]:
    """The figures in ``folder`` that were drawn as SVG since the run's last records were written, and since its plan
    last said which trials count."""
    files = [run.paths.plan, *map(run.paths.trials, run.paths.done_blocks())]
    newest = max((file.stat().st_mtime_ns for file in files if file.exists()), default=0)
    return {path.stem for path in folder.glob("*.svg") if path.stat().st_mtime_ns >= newest}
