"""Scores that do not follow the largest class: balanced accuracy, macro and weighted F1, of a whole split."""

from __future__ import annotations

from typing import Any

import numpy as np

from fallline.contracts import Metric, single
from fallline.errors import ModelError
from fallline.metrics.accuracy import predicted
from fallline.metrics.cuts import labels_of
from fallline.metrics.per_class import PerClass, confusion, macro, per_class


def balanced_accuracy(outputs: Any, targets: Any, cut: float = 0.0) -> float:
    """The mean over the classes that occur of the share of their examples that is right."""
    scores = per_class(_matrix("balanced_accuracy", outputs, targets, cut))
    return float(np.nanmean(scores.recall)) if scores.support.any() else float("nan")


def macro_f1(outputs: Any, targets: Any, cut: float = 0.0) -> float:
    """The mean of F1 over the classes that occur."""
    return macro(_matrix("macro_f1", outputs, targets, cut)).f1


def weighted_f1(outputs: Any, targets: Any, cut: float = 0.0) -> float:
    """The mean of F1 over classes, each weighted by its number of examples."""
    scores: PerClass = per_class(_matrix("weighted_f1", outputs, targets, cut))
    return float(np.average(np.nan_to_num(scores.f1), weights=scores.support))


def _matrix(name: str, outputs: Any, targets: Any, cut: float) -> np.ndarray:
    """The confusion matrix of outputs [n, classes], or of one output per example that is a yes above the cut."""
    outputs, targets = np.asarray(outputs), np.asarray(targets)
    if single(outputs) and single(targets) and len(targets) == len(outputs):
        return confusion((targets.reshape(-1) > 0.5).astype(int), predicted(outputs, cut), 2)
    if outputs.ndim == 2 and not single(outputs) and targets.shape in (outputs.shape, outputs.shape[:1]):
        labels = labels_of(targets) if targets.ndim == 1 else targets.argmax(1)
        return confusion(labels, outputs.argmax(1), outputs.shape[1])
    raise ModelError(
        f"{name} needs outputs [n, classes] with labels [n] or one-hot rows, or one output and one target per "
        f"example, got outputs {outputs.shape} and targets {targets.shape}"
    )


BALANCED_ACCURACY = Metric(
    "balanced_accuracy", balanced_accuracy, "mean over classes of the accuracy", goal="max", cuts=True, whole=True
)

MACRO_F1 = Metric("macro_f1", macro_f1, "mean over classes of F1", goal="max", cuts=True, whole=True)

WEIGHTED_F1 = Metric(
    "weighted_f1", weighted_f1, "mean of F1, weighted by class size", goal="max", cuts=True, whole=True
)
