"""ROC curves of the best configuration of each optimizer, with bands over seeds."""

from __future__ import annotations

from functools import partial
from typing import Any

import polars as pl

from fallline.metrics.ranking import roc_auc
from fallline.report.figures import of_outputs
from fallline.report.figures.kind import FigureKind
from fallline.report.style import Theme
from fallline.stats.analysis import Analysis
from fallline.stats.operating_points import FALSE_POSITIVE_RATES, roc_curve
from fallline.stats.outputs import PROBABILITIES
from fallline.study import Figure


def settle(analysis: Analysis, spec: Figure) -> Figure:
    return spec.model_copy(update={"metric": "validation", "title": spec.title or "ROC curve, validation split"})


def data(analysis: Analysis, spec: Figure) -> pl.DataFrame:
    """As ``of_outputs.curves``: x is the false positive rate, y the true positive rate, area the ROC AUC."""
    return of_outputs.curves(
        analysis, spec, FALSE_POSITIVE_RATES, roc_curve, roc_auc, lambda labels: FALSE_POSITIVE_RATES
    )


def draw(frame: pl.DataFrame, spec: Figure, theme: Theme) -> Any:
    return of_outputs.draw_curves(frame, theme, "false positive rate", "true positive rate")


def caption(analysis: Analysis, frame: pl.DataFrame, spec: Figure) -> str:
    if frame.is_empty():
        return ""
    said = of_outputs.sentences(frame)
    return " ".join([*said, "Grey: a guess. Table: area under the curve (ROC AUC)."])


ROC = FigureKind(
    "roc",
    "ROC curve",
    settle,
    data,
    draw,
    caption,
    fits=partial(of_outputs.has, kind=PROBABILITIES),
    table=partial(of_outputs.spread_table, name="ROC AUC"),
)
