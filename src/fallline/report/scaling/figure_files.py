"""The figures of a scale measurement as files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fallline.report.export import FORMATS, write_named
from fallline.report.figures import RenderedFigure
from fallline.report.scaling.pictures import pictures

if TYPE_CHECKING:
    from fallline.report.scaling.result import Scaled


def write_scaling_figures(
    scaled: Scaled, names: Sequence[str] = (), formats: Sequence[str] = FORMATS, folder: Path | None = None
) -> list[Path]:
    """As ``report.figure_files.write_figures``, for the page of a scale measurement."""
    folder = folder or scaled.files.report / "figures"
    return write_named(makers_of(scaled), names, formats, folder, f"the page of {scaled.folder}")


def makers_of(scaled: Scaled) -> dict[str, Callable[[], RenderedFigure]]:
    """What gives each figure of the page, by its name."""
    return {picture.name: lambda picture=picture: picture for picture in pictures(scaled)}
