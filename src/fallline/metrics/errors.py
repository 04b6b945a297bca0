"""Errors of real-valued outputs: squared and absolute, the mean over an example's outputs."""

from __future__ import annotations

import math
from typing import Any

from fallline.contracts import Metric
from fallline.errors import ModelError


def mean_squared_error(outputs: Any, targets: Any) -> Any:
    """The mean over an example's outputs of ``(o - y)^2``; shape [batch]."""
    return (errors_per_example("mean_squared_error", outputs, targets) ** 2).mean(-1)


def mean_absolute_error(outputs: Any, targets: Any) -> Any:
    """The mean over an example's outputs of ``|o - y|``; shape [batch]."""
    return abs(errors_per_example("mean_absolute_error", outputs, targets)).mean(-1)


def errors_per_example(name: str, outputs: Any, targets: Any) -> Any:
    """``o - y``, one row per example; targets have the outputs' shape up to axes of length 1, else ModelError."""
    if outputs.shape[:1] + _wide(outputs) != targets.shape[:1] + _wide(targets):
        raise ModelError(
            f"{name} needs targets of the outputs' shape, got outputs {outputs.shape} and targets {targets.shape}: "
            "give one target for each output"
        )
    row = (outputs.shape[0], math.prod(outputs.shape[1:]))
    return outputs.reshape(row) - targets.reshape(row)


def _wide(array: Any) -> tuple[int, ...]:
    return tuple(size for size in array.shape[1:] if size != 1)


MEAN_SQUARED_ERROR = Metric("mean_squared_error", mean_squared_error, "mean squared error", goal="min")

MEAN_ABSOLUTE_ERROR = Metric("mean_absolute_error", mean_absolute_error, "mean absolute error", goal="min")
