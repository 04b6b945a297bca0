"""Metrics: a value per example, from outputs [batch, ...] and targets [batch, ...]."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def accuracy(outputs: Any, targets: Any) -> Any:
    """1 where the largest output is the labelled class (labels, or one-hot rows), else 0; shape [batch]."""
    labels = targets if targets.ndim < outputs.ndim else targets.argmax(-1)
    return (outputs.argmax(-1) == labels).astype(outputs.dtype)


METRICS: Mapping[str, Callable[[Any, Any], Any]] = {"accuracy": accuracy}

HIGHER_IS_BETTER = frozenset(METRICS)
"""Of all other metrics, and of every loss, less is better."""
