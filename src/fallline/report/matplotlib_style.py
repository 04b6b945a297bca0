"""``fallline.style``: settings of matplotlib, so that one's own figures look like those of a report."""

from __future__ import annotations

from typing import Any

from fallline.errors import UnknownName
from fallline.report.style import FONT, INK, PALETTE

WIDTHS = {"page": 8.0, "single-column": 3.25, "double-column": 6.75, "text-width": 5.5, "slide": 10.0}
"""Inches: of a report, of one or both columns of a two-column paper (ICML), of a one-column paper (NeurIPS, ICLR), of a
slide."""

SIZES = {"page": 9.0, "slide": 18.0}
"""Points of text where it is not that of a paper, ``PAPER``."""

PAPER = 8.0
GOLDEN = 0.618
LINESTYLES = ("-", "--", ":", "-.")


def style(width: str = "page", dark: bool = False) -> dict[str, Any]:
    """The rcParams of matplotlib with the colours, type sizes and lines of a report.

    ``width`` is "page", "single-column", "double-column", "text-width" or "slide"; the height follows by the golden
    ratio. Colours come in the order of the report, blue first, and repeat dashed after ten. matplotlib is not imported,
    and need not be installed. UnknownName for another width.

    >>> import matplotlib.pyplot as plt                                                     # doctest: +SKIP
    >>> plt.rcParams.update(fallline.style("single-column"))                                # doctest: +SKIP
    """
    if width not in WIDTHS:
        raise UnknownName("width", width, WIDTHS, "style")
    ink = {name: pair[dark] for name, pair in INK.items()}
    size = SIZES.get(width, PAPER)
    small, line = size - max(1.0, size / 9), size / 7
    colors = [mark.dark if dark else mark.light for mark in (*PALETTE[1:], PALETTE[0])]
    fonts = [name.strip().strip('"') for name in FONT.split(",")]
    return {
        "figure.figsize": (WIDTHS[width], round(WIDTHS[width] * GOLDEN, 2)),
        "figure.dpi": 100,
        "figure.constrained_layout.use": True,
        "figure.facecolor": ink["paper"],
        "savefig.dpi": 300,
        "savefig.facecolor": ink["paper"],
        "pdf.fonttype": 42,
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.sans-serif": [*(name for name in fonts if name != "sans-serif"), "DejaVu Sans"],
        "font.size": size,
        "text.color": ink["text"],
        "axes.facecolor": ink["paper"],
        "axes.edgecolor": ink["axis"],
        "axes.labelcolor": ink["text"],
        "axes.labelsize": size,
        "axes.titlesize": size,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.titlecolor": ink["text"],
        "axes.linewidth": size / 12,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "axes.axisbelow": True,
        "axes.prop_cycle": f"cycler('linestyle', {list(LINESTYLES)}) * cycler('color', {colors})",
        "grid.color": ink["grid"],
        "grid.linewidth": size / 11,
        "xtick.color": ink["axis"],
        "xtick.labelcolor": ink["muted"],
        "xtick.labelsize": small,
        "xtick.major.size": size / 3,
        "xtick.major.width": size / 12,
        "ytick.color": ink["axis"],
        "ytick.labelcolor": ink["muted"],
        "ytick.labelsize": small,
        "ytick.major.size": 0,
        "ytick.minor.size": 0,
        "lines.linewidth": line,
        "lines.markersize": size / 2,
        "lines.solid_joinstyle": "round",
        "legend.frameon": False,
        "legend.fontsize": small,
        "legend.labelcolor": ink["text"],
        "image.cmap": "viridis",
    }
