"""What a kind of figure is: data first, drawing second."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl

from fallline.report.style import Theme
from fallline.store import Run
from fallline.study import Figure


@dataclass(frozen=True)
class FigureKind:
    """A kind of figure.

    ``settle(run, spec)`` fills in what the study left open (metric, colour, panels) and may set the title; ``data(run,
    spec)`` gives the frame that is drawn and written as CSV, ``draw(frame, spec, look)`` the chart, one of
    ``report.vega`` or of altair, ``caption(run, frame, spec)`` what a reader must know of it; ``fits(run)`` says
    whether a study that names no figures gets it; ``table(frame)`` gives what stands under it in figures, if anything.
    """

    name: str
    title: str
    settle: Callable[[Run, Figure], Figure]
    data: Callable[[Run, Figure], pl.DataFrame]
    draw: Callable[[pl.DataFrame, Figure, Theme], Any]
    caption: Callable[[Run, pl.DataFrame, Figure], str]
    fits: Callable[[Run], bool]
    table: Callable[[pl.DataFrame], pl.DataFrame] | None = None
