"""Precision-recall curves of the best configuration of each optimizer, with bands over seeds."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import polars as pl

from fallline.metrics.ranking import average_precision
from fallline.report.figures import of_outputs
from fallline.report.figures.kind import FigureKind
from fallline.report.style import Theme
from fallline.stats.analysis import Analysis
from fallline.stats.operating_points import POINTS, RECALLS, recall_curve
from fallline.stats.outputs import PROBABILITIES
from fallline.study import Figure


def settle(analysis: Analysis, spec: Figure) -> Figure:
    title = spec.title or "Precision-recall curve, validation split"
    return spec.model_copy(update={"metric": "validation", "title": title})


def data(analysis: Analysis, spec: Figure) -> pl.DataFrame:
    """As ``of_outputs.curves``: x is the recall, y the precision, area the average precision."""
    return of_outputs.curves(analysis, spec, RECALLS, recall_curve, average_precision, _guess)


def _guess(labels: np.ndarray) -> np.ndarray:
    """The precision of a guess: the share of the positives, the mean over the classes that occur."""
    classes = np.unique(labels)
    share = (labels == 1).mean() if classes.max() < 2 else 1 / len(classes)
    return np.full(POINTS, float(share))


def draw(frame: pl.DataFrame, spec: Figure, theme: Theme) -> Any:
    return of_outputs.draw_curves(frame, theme, "recall", "precision")


def caption(analysis: Analysis, frame: pl.DataFrame, spec: Figure) -> str:
    if frame.is_empty():
        return ""
    said = of_outputs.sentences(frame)
    return " ".join([*said, "Grey: a guess. Table: average precision, the area under the steps."])


PRECISION_RECALL_CURVE = FigureKind(
    "precision_recall_curve",
    "Precision-recall curve",
    settle,
    data,
    draw,
    caption,
    fits=partial(of_outputs.has, kind=PROBABILITIES),
    table=partial(of_outputs.spread_table, name="average precision"),
)
