"""How well predicted probabilities agree with how often they are right: Brier score, expected calibration error."""

from __future__ import annotations

from typing import Any

import numpy as np

from fallline.contracts import Metric
from fallline.metrics.rows import array_module, probability_rows

BINS = 15
"""Bins of the confidence, of equal width (Guo et al., 2017)."""


def brier_score(probabilities: Any, targets: Any) -> Any:
    """``sum_k (p_k - y_k)^2``, and half of it for two classes: the squared error of the probability of a yes; shape
    [batch].

    Brier, 1950; scaled as in scikit-learn.
    """
    rows, labels = probability_rows("brier_score", probabilities, targets)
    xp = array_module(rows)
    one_hot = labels[:, None] == xp.arange(rows.shape[1])
    total = ((rows - one_hot) ** 2).sum(-1)
    return total / 2 if rows.shape[1] == 2 else total


def expected_calibration_error(probabilities: Any, targets: Any) -> float:
    """The mean over examples of the distance between confidence and accuracy of their bin, of a whole split.

    The confidence is the largest probability of an example (Guo et al., 2017, equation 3).
    """
    rows, labels = probability_rows("expected_calibration_error", probabilities, targets)
    confidences, right = rows.max(1), rows.argmax(1) == labels
    bins = np.clip(np.ceil(confidences * BINS).astype(int) - 1, 0, BINS - 1)
    gaps = np.bincount(bins, right - confidences, minlength=BINS)
    return float(np.abs(gaps).sum() / len(labels))


BRIER_SCORE = Metric(
    "brier_score", brier_score, "squared error of the probabilities", goal="min", takes="probabilities"
)

EXPECTED_CALIBRATION_ERROR = Metric(
    "expected_calibration_error",
    expected_calibration_error,
    "distance between confidence and accuracy, in 15 bins",
    goal="min",
    takes="probabilities",
    whole=True,
)
