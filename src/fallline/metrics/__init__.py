"""Metrics: one value per example, whose mean is reported. Found by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fallline.contracts import Metric
from fallline.contracts.registry import find, parts
from fallline.metrics.goals import goal_of, higher_is_better

__all__ = ["builtin_metrics", "find_metric", "goal_of", "higher_is_better", "metric_of"]


def builtin_metrics() -> dict[str, Metric]:
    """Every metric by name."""
    return parts(__name__, Metric)


def find_metric(name: str, where: str = "") -> Metric:
    """The metric of that name, or UnknownName with similar names."""
    return find(__name__, Metric, name, where)


def metric_of(name: str, written: Metric | Callable[[Any, Any], Any]) -> Metric:
    """The metric that a task has under ``name``: a Metric, a built-in one by its function, or a function."""
    if isinstance(written, Metric):
        return written
    built_in = next((metric for metric in builtin_metrics().values() if metric.function is written), None)
    return Metric(name, written) if built_in is None else replace(built_in, name=name)
