"""The types of plug-ins: hyperparameter, optimizer, schedule, loss, metric, model, dataset, task.

Each is a frozen value. A new optimizer (loss, schedule, dataset, task ...) is one such value in a module of its
package; the package finds it, and the shared contract tests examine it.
"""

from fallline.contracts.arrays import in_float32, is_narrow, single
from fallline.contracts.data import Dataset, Split, Splits, Task
from fallline.contracts.hyperparameters import (
    Hyperparameter,
    check_hyperparameters,
    flag,
    fraction,
    nonnegative,
    positive,
)
from fallline.contracts.metric_name import MetricName
from fallline.contracts.model import Model
from fallline.contracts.rules import Clock, Loss, Metric, Optimizer, Schedule

__all__ = [
    "Clock",
    "Dataset",
    "Hyperparameter",
    "Loss",
    "Metric",
    "MetricName",
    "Model",
    "Optimizer",
    "Schedule",
    "Split",
    "Splits",
    "Task",
    "check_hyperparameters",
    "flag",
    "fraction",
    "in_float32",
    "is_narrow",
    "nonnegative",
    "positive",
    "single",
]
