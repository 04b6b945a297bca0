"""The figures of a report. A kind is one file; found by name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

from fallline.contracts.registry import parts
from fallline.errors import UnknownName
from fallline.report.figures.kind import FigureKind
from fallline.report.style import Theme, theme
from fallline.report.vega import Chart, finished
from fallline.stats.analysis import Analysis
from fallline.store import Run
from fallline.study import Figure

__all__ = ["FigureKind", "RenderedFigure", "drawn", "figure_kinds"]

ORDER = (
    "search_history",
    "search_slices",
    "search_rungs",
    "curves",
    "sensitivity",
    "grid",
    "network",
    "path",
    "hyperparameters",
    "precision_recall",
    "roc",
    "precision_recall_curve",
    "calibration",
    "residuals",
    "confusion",
    "mistakes",
    "stopping",
    "reported",
)
"""The order of figures in a study that names none; other kinds follow."""


@dataclass(frozen=True)
class RenderedFigure:
    """A finished figure: file name, title, caption, data, chart, and the table under it if there is one."""

    name: str
    title: str
    caption: str
    frame: pl.DataFrame
    chart: Chart
    table: pl.DataFrame | None

    @cached_property
    def specification(self) -> dict[str, Any]:
        """The chart as Vega-Lite."""
        return self.chart.to_dict()


def figure_kinds() -> dict[str, FigureKind]:
    """Every kind of figure by name."""
    return parts(__name__, FigureKind)


def specs(run: Run | Analysis) -> dict[str, Figure]:
    """The figures of the run by name: those the study names, in its order, or all that fit."""
    analysis = Analysis.of(run)
    wanted = [settled_scale(spec) for spec in analysis.study.figures]
    if not wanted:
        kinds = figure_kinds()
        names = [*(name for name in ORDER if name in kinds), *sorted(set(kinds) - set(ORDER))]
        wanted = [Figure(kind=name) for name in names if kinds[name].fits(analysis)]
    names = [spec.kind for spec in wanted]
    counted = [
        name if names.count(name) == 1 else f"{name}-{names[:place].count(name) + 1}"
        for place, name in enumerate(names)
    ]
    return dict(zip(counted, wanted, strict=True))


def settled_scale(spec: Figure) -> Figure:
    """A figure that a user wrote, with its scale fixed: linear unless it says otherwise. Figures that fit by default
    choose their scale by the values."""
    return spec.model_copy(update={"scale": spec.scale})


def drawn(run: Run | Analysis, spec: Figure, name: str = "") -> RenderedFigure:
    """One figure with its data and caption; UnknownName where there is no such kind."""
    analysis = Analysis.of(run)
    kinds = figure_kinds()
    if spec.kind not in kinds:
        raise UnknownName("kind of figure", spec.kind, kinds, f"study {analysis.study.name}, figures")
    kind = kinds[spec.kind]
    spec = kind.settle(analysis, spec)
    frame = kind.data(analysis, spec)
    chart = kind.draw(frame, spec, Theme.of(analysis.trials["optimizer"].unique(maintain_order=True).to_list()))
    if not isinstance(chart, Chart):  # a chart of altair
        chart = finished(chart.to_dict(validate=False))
    chart = chart.properties(config=theme())
    title = spec.title or kind.title
    return RenderedFigure(
        name or spec.kind,
        title[:1].upper() + title[1:],
        kind.caption(analysis, frame, spec),
        frame,
        chart,
        kind.table(frame) if kind.table else None,
    )
