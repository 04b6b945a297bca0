"""How well the probability of a class ranks its examples before the others: ROC AUC and average precision.

Of more than two classes each is compared with all others, and the mean over the classes that occur is reported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fallline.contracts import Metric
from fallline.metrics.rows import probability_rows


def roc_auc(probabilities: Any, targets: Any) -> float:
    """The probability that an example of a class is ranked before one of another class; ties count half.

    Hanley and McNeil, 1982. nan where the split has a single class.
    """
    return _over_classes("roc_auc", _area, probabilities, targets)


def average_precision(probabilities: Any, targets: Any) -> float:
    """``sum_n (R_n - R_(n-1)) P_n`` over the thresholds n, with recall R and precision P; nan without positives."""
    return _over_classes("average_precision", _precision, probabilities, targets)


def _over_classes(
    name: str, score: Callable[[np.ndarray, np.ndarray], float], probabilities: Any, targets: Any
) -> float:
    rows, labels = probability_rows(name, probabilities, targets)
    classes = [1] if rows.shape[1] == 2 else np.unique(labels)
    values = [score(rows[:, k], labels == k) for k in classes]
    return float(np.mean(values)) if len(values) else float("nan")


def _area(scores: np.ndarray, positive: np.ndarray) -> float:
    """By the sum of ranks (Mann and Whitney, 1947)."""
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return float("nan")
    _, which, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[which]  # equal scores share the mean of their ranks
    return float((ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def _precision(scores: np.ndarray, positive: np.ndarray) -> float:
    if not positive.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    found = np.cumsum(positive[order])
    last = np.append(np.diff(scores[order]) != 0, True)  # the last of equal scores: a threshold takes all of them
    taken = np.flatnonzero(last) + 1
    recall = found[last] / found[-1]
    return float((np.diff(recall, prepend=0.0) * found[last] / taken).sum())


ROC_AUC = Metric("roc_auc", roc_auc, "area under the ROC curve", goal="max", takes="probabilities", whole=True)

AVERAGE_PRECISION = Metric(
    "average_precision",
    average_precision,
    "area under the precision-recall curve",
    goal="max",
    takes="probabilities",
    whole=True,
)
