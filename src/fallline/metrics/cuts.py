"""The output above which a binary prediction is positive: it depends on what the model gives, not on the metric."""

from __future__ import annotations

from typing import Any

import numpy as np


def cut_of(gives: str, takes: str, targets: Any) -> float:
    """The cut of a model that ``gives`` logits, say, under a loss that ``takes`` logits, for ``targets`` [n, ...].

    0.5 for probabilities, 0 for logits; for values on the scale of the targets their midpoint, 0.5 for 0 and 1 and 0
    for -1 and 1. A model that gives logits, the default, gives values to a loss of values.
    """
    if gives == "probabilities":
        return 0.5
    if gives == "values" or takes == "values":
        return 0.0 if is_plus_minus(targets) else 0.5
    return 0.0


def is_plus_minus(targets: Any) -> bool:
    """Whether all targets are -1 or 1, and some are -1."""
    targets = np.asarray(targets)
    return targets.dtype.kind in "if" and bool((targets == -1).any() and (np.abs(targets) == 1).all())


def is_yes_or_no(targets: Any) -> bool:
    """Whether all targets are 0 or 1, or all -1 or 1."""
    targets = np.asarray(targets)
    return bool(np.isin(targets, (0, 1)).all()) or is_plus_minus(targets)


def labels_of(targets: Any) -> np.ndarray:
    """Targets [n] or [n, 1] as indices of classes [n]: integers as they are, others as 0 and 1."""
    targets = np.asarray(targets).reshape(len(targets))
    if targets.dtype.kind in "iu" and not is_plus_minus(targets):
        return targets
    return (targets > 0.5).astype(np.int32)
