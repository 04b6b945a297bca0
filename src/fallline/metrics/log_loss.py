"""Log loss of predicted probabilities, and perplexity, the exponential of its mean."""

from __future__ import annotations

from typing import Any

import numpy as np

from fallline.contracts import Metric
from fallline.metrics.rows import probability_rows


def log_loss(probabilities: Any, targets: Any) -> float:
    """The mean of ``-log p_y`` over a whole split, with p_y at least the rounding error of its type, as in
    scikit-learn.
    """
    return float(_log_loss("log_loss", probabilities, targets).mean())


def perplexity(probabilities: Any, targets: Any) -> float:
    """``exp(mean of -log p_y)`` of a whole split: 1 is perfect, the number of classes is a uniform guess."""
    return float(np.exp(_log_loss("perplexity", probabilities, targets).mean()))


def _log_loss(name: str, probabilities: Any, targets: Any) -> np.ndarray:
    rows, labels = probability_rows(name, probabilities, targets)
    of_label = np.take_along_axis(rows, labels[:, None], axis=1)[:, 0]
    smallest = np.finfo(rows.dtype).eps
    return -np.log(np.clip(of_label, smallest, 1 - smallest))


LOG_LOSS = Metric(
    "log_loss", log_loss, "minus the log of the label's probability", goal="min", takes="probabilities", whole=True
)

PERPLEXITY = Metric(
    "perplexity", perplexity, "exponential of the mean log loss", goal="min", takes="probabilities", whole=True
)
