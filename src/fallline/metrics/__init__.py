"""Metrics: a value per example, whose mean is reported. One idea a file; found by name."""

from __future__ import annotations

from fallline.contracts import Metric
from fallline.registry import find, parts


def metrics() -> dict[str, Metric]:
    """Every metric by name."""
    return parts(__name__, Metric)


def find_metric(name: str, where: str = "") -> Metric:
    """The metric of that name, or UnknownName with the near ones."""
    return find(__name__, Metric, name, where)


def higher_is_better(name: str) -> bool:
    """Whether more of a metric is better, by its name alone: less of what ends in "error" or "loss" is."""
    return not name.endswith(("error", "loss"))
