"""ROC and precision-recall curves, and reliability diagrams, of predicted probabilities."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fallline.metrics.calibration import BINS

POINTS = 101
FALSE_POSITIVE_RATES = np.linspace(0, 1, POINTS) ** 2
RECALLS = np.linspace(0, 1, POINTS)
"""The points of drawn curves; those of ROC curves are dense where good classifiers differ."""


class Reliability(NamedTuple):
    """Of each bin of the confidence: its examples, their mean confidence and the share that is right, nan without."""

    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def expected_error(self) -> float:
        """The mean distance between confidence and accuracy over examples (Guo et al., 2017, equation 3)."""
        own = self.count > 0
        gaps = np.abs(self.accuracy[own] - self.confidence[own])
        return float((gaps * self.count[own]).sum() / self.count.sum())


def roc_points(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rate at each threshold, from (0, 0) to (1, 1).

    ``scores`` float [n], ``positive`` bool [n] with both values. Equal scores share a threshold (Fawcett, 2006).
    """
    true, false = _counts(scores, positive)
    return np.append(0.0, false / false[-1]), np.append(0.0, true / true[-1])


def recall_points(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Recall and precision at each threshold, the highest first; ``positive`` bool [n] with some that are."""
    true, false = _counts(scores, positive)
    return true / true[-1], true / (true + false)


def roc_curve(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The true positive rate at ``FALSE_POSITIVE_RATES`` [points], between thresholds on a straight line, the upper
    end of a jump; the mean over classes against the rest, or the curve of class 1 of two.

    ``probabilities`` [n, classes], ``labels`` [n]. nan where every example has one class.
    """
    levels = FALSE_POSITIVE_RATES

    def one(scores: np.ndarray, positive: np.ndarray) -> np.ndarray:
        if positive.all() or not positive.any():
            return np.full(POINTS, np.nan)
        false, true = roc_points(scores, positive)
        at = np.searchsorted(false, levels, side="right")
        above = np.minimum(at, false.size - 1)
        low, high = false[at - 1], false[above]
        share = np.divide(levels - low, high - low, out=np.zeros(POINTS), where=high > low)
        return true[at - 1] + share * (true[above] - true[at - 1])

    return _over_classes(one, probabilities, labels)


def recall_curve(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The precision at ``RECALLS`` [points], that of the highest threshold that reaches the recall; the mean over
    classes against the rest, or the curve of class 1 of two.

    So the area under it, as steps, is the average precision. nan without positives.
    """

    def one(scores: np.ndarray, positive: np.ndarray) -> np.ndarray:
        if not positive.any():
            return np.full(POINTS, np.nan)
        recall, precision = recall_points(scores, positive)
        return precision[np.searchsorted(recall, RECALLS - 1e-12, side="left")]

    return _over_classes(one, probabilities, labels)


def reliability(probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS) -> Reliability:
    """Confidence (the largest probability) against accuracy in bins of equal width (Guo et al., 2017).

    ``probabilities`` [n, classes], ``labels`` [n].
    """
    confidence = probabilities.max(1).astype(np.float64)
    right = probabilities.argmax(1) == labels
    places = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(places, minlength=bins)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = [np.bincount(places, values, minlength=bins) / count for values in (confidence, right)]
    return Reliability(count, *means)


def _counts(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many positives and how many others have at least the score of each threshold, the highest first."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)
    true = np.cumsum(positive[order])[last]
    return true.astype(np.float64), np.flatnonzero(last) + 1.0 - true


def _over_classes(
    curve: Callable[[np.ndarray, np.ndarray], np.ndarray], probabilities: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    classes = [1] if probabilities.shape[1] == 2 else np.unique(labels)
    return np.mean([curve(probabilities[:, k], labels == k) for k in classes], axis=0)
