"""The former place of ``fallline.metrics``."""

from __future__ import annotations

from fallline.metrics import higher_is_better, metrics
from fallline.metrics.accuracy import accuracy

__all__ = ["HIGHER_IS_BETTER", "METRICS", "accuracy"]

METRICS = {name: metric.function for name, metric in metrics().items()}

HIGHER_IS_BETTER = frozenset(name for name in METRICS if higher_is_better(name))
