"""Metrics: a value per example, whose mean is reported. One idea a file; found by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fallline.contracts import Metric
from fallline.contracts.registry import find, parts
from fallline.metrics.goals import goal_of, higher_is_better

__all__ = ["find_metric", "goal_of", "higher_is_better", "metric_of", "metrics"]


def metrics() -> dict[str, Metric]:
    """Every metric by name."""
    return parts(__name__, Metric)


def find_metric(name: str, where: str = "") -> Metric:
    """The metric of that name, or UnknownName with the near ones."""
    return find(__name__, Metric, name, where)


def metric_of(name: str, written: Metric | Callable[[Any, Any], Any]) -> Metric:
    """The metric that a task keeps under ``name``: one of a goal, one that is built in, or a function alone."""
    if isinstance(written, Metric):
        return written
    built_in = next((metric for metric in metrics().values() if metric.function is written), None)
    return Metric(name, written) if built_in is None else replace(built_in, name=name)
