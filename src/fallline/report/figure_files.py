"""The figures of a report as files, drawn on request: the page draws its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fallline.report.export import FORMATS, write_named
from fallline.report.figures import drawn
from fallline.report.leading_figures import of_the_page
from fallline.report.scaling.figure_files import makers_of
from fallline.report.scaling.result import Scaled
from fallline.scaling.folder import ScaleFolder
from fallline.store import Run


def write_figures(
    run: Run, names: Sequence[str] = (), formats: Sequence[str] = FORMATS, folder: Path | None = None
) -> list[Path]:
    """Write the figures of the run's page as ``NAME.svg``, ``.pdf`` and ``.png``; the paths written.

    ``names`` are the page's own, by default all; ``folder`` is by default ``report/figures`` in the run folder. Light
    theme; the PNG at twice the size; without what only appears on hover. UnknownName for another figure or format,
    StoreError where there are no results or the folder cannot be written.
    """
    makers = {name: lambda name=name, spec=spec: drawn(run, spec, name) for name, spec in of_the_page(run).items()}
    if ScaleFolder(run.paths.scaling).exists:
        makers |= makers_of(Scaled.open(run.paths.scaling))
    return write_named(makers, names, formats, folder or run.paths.report / "figures", f"the page of {run.folder}")


def at_hand(run: Run, folder: Path) -> set[str]:
    """The figures in ``folder`` that were drawn as SVG since the run's last records were written, and since its plan
    last said which trials count."""
    files = [run.paths.plan, *map(run.paths.trials, run.paths.done_blocks())]
    newest = max((file.stat().st_mtime_ns for file in files if file.exists()), default=0)
    return {path.stem for path in folder.glob("*.svg") if path.stat().st_mtime_ns >= newest}
