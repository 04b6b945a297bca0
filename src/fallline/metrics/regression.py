"""How far predicted numbers are off: R2, root mean squared error, mean absolute percentage error."""

from __future__ import annotations

from typing import Any

import numpy as np

from fallline.contracts import Metric
from fallline.metrics.errors import errors_per_example
from fallline.metrics.rows import array_module


def r2(outputs: Any, targets: Any) -> float:
    """``1 - sum (o - y)^2 / sum (y - mean y)^2`` of a whole split, the mean over outputs; nan for constant targets.

    1 is perfect, 0 is as good as the mean.
    """
    errors = errors_per_example("r2", outputs, targets)
    targets = np.asarray(targets).reshape(errors.shape)
    spread = ((targets - targets.mean(0)) ** 2).sum(0)
    return float(np.mean(1 - (errors**2).sum(0) / spread)) if spread.all() else float("nan")


def rmse(outputs: Any, targets: Any) -> float:
    """``sqrt(mean (o - y)^2)`` of a whole split, the mean over outputs."""
    return float(np.sqrt((errors_per_example("rmse", outputs, targets) ** 2).mean(0)).mean())


def mape(outputs: Any, targets: Any) -> Any:
    """The mean over an example's outputs of ``|o - y| / |y|``, a share and not a percentage; shape [batch].

    |y| counts as at least the rounding error of its type, as in scikit-learn.
    """
    errors = errors_per_example("mape", outputs, targets)
    xp = array_module(errors)
    sizes = xp.maximum(abs(targets.reshape(errors.shape)), xp.finfo(errors.dtype).eps)
    return (abs(errors) / sizes).mean(-1)


R2 = Metric("r2", r2, "share of the variance that is explained", goal="max", whole=True)

RMSE = Metric("rmse", rmse, "root mean squared error", goal="min", whole=True)

MAPE = Metric("mape", mape, "mean absolute error as a share of the target", goal="min")
