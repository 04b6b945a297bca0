"""Early stopping: how long a lane may train without a better validation loss (Prechelt, 1998)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fallline.contracts import Hyperparameter, nonnegative

PATIENCE = Hyperparameter(
    "early_stop",
    None,
    low=1,
    optional=True,
    meaning="evaluations without a better validation loss after which a trial is stopped",
    phrase="patience {}",
    none_phrase="no early stopping",
)
CHANGE = nonnegative("early_stop_change", 0.0, "how much lower a validation loss must be to count as better")

HYPERPARAMETERS: tuple[Hyperparameter, ...] = (PATIENCE, CHANGE)


def stale(losses: Sequence[Any], change: Any = 0.0) -> np.ndarray:
    """How many evaluations ago the validation loss was last better than all before it by more than ``change``.

    ``losses`` holds the loss of each evaluation, arrays of one shape; the first counts as better, nan never does.
    """
    values = np.asarray(losses, np.float64)
    best, since = np.full(values.shape[1:], np.inf), np.zeros(values.shape[1:], np.int64)
    for value in values:
        better = value < best - change
        best = np.where(better, value, best)
        since = np.where(better, 0, since + 1)
    return since
