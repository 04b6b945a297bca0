"""What a kind of figure is: data first, drawing second."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl

from fallline.report.style import Theme
from fallline.stats.analysis import Analysis
from fallline.study import Figure


@dataclass(frozen=True)
class FigureKind:
    """A kind of figure.

    ``settle(analysis, spec)`` fills in what the study left open (metric, colour, panels) and may set the title.
    ``data(analysis, spec)`` returns the frame that is drawn and also written as CSV, ``draw(frame, spec, theme)`` the
    chart, of ``report.vega`` or of altair, and ``caption(analysis, frame, spec)`` what a reader must know to read it.
    ``fits(analysis)``: whether a study that names no figures gets this one. ``table(frame)``: the table under it.
    """

    name: str
    title: str
    settle: Callable[[Analysis, Figure], Figure]
    data: Callable[[Analysis, Figure], pl.DataFrame]
    draw: Callable[[pl.DataFrame, Figure, Theme], Any]
    caption: Callable[[Analysis, pl.DataFrame, Figure], str]
    fits: Callable[[Analysis], bool]
    table: Callable[[pl.DataFrame], pl.DataFrame] | None = None
