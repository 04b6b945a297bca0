"""fallline: train every recipe of a study at once, and learn which differences are real.

Nothing heavy is imported until it is used: ``import fallline`` costs a few milliseconds.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "Study": "fallline.study",
    "load_study": "fallline.study",
    "run": "fallline.api",
    "tune": "fallline.api",
    "measure_scaling": "fallline.api",
    "Result": "fallline.api",
    "open_run": "fallline.api",
    "plan_study": "fallline.api",
    "check_study": "fallline.api",
    "new_study": "fallline.api",
    "predict": "fallline.api",
    "list_runs": "fallline.api",
    "measure_utilisation": "fallline.api",
    "launch": "fallline.api",
    "jobs": "fallline.api",
    "Jobs": "fallline.api",
    "verify": "fallline.api",
    "repair_run": "fallline.api",
    "style": "fallline.api",
    "cite": "fallline.api",
    "Optimizer": "fallline.contracts",
    "Loss": "fallline.contracts",
    "Model": "fallline.contracts",
    "Hyperparameter": "fallline.contracts",
    "Split": "fallline.contracts",
    "Splits": "fallline.contracts",
    "Task": "fallline.contracts",
    "Metric": "fallline.contracts",
    "Schedule": "fallline.contracts",
    "from_functions": "fallline.models",
    "from_equinox": "fallline.models",
    "from_flax": "fallline.models",
    "from_keras": "fallline.models",
    "from_torch": "fallline.models",
    "neurons": "fallline.networks",
    "arrays": "fallline.datasets.arrays",
    "from_arrays": "fallline.tasks",
    "network_task": "fallline.tasks",
    "FalllineError": "fallline.errors",
    "FalllineWarning": "fallline.errors",
}

_PACKAGES = ("datasets", "losses", "metrics", "models", "networks", "optimizers", "schedules", "tasks")
"""Of components, each a function with its hyperparameters: ``fallline.optimizers.adam(beta1=0.8)``."""

__all__ = [*_PUBLIC, *_PACKAGES, "__version__"]  # pyright: ignore[reportUnsupportedDunderAll]

if TYPE_CHECKING:
    from fallline import datasets, losses, metrics, models, networks, optimizers, schedules, tasks
    from fallline.api import (
        Jobs,
        Result,
        check_study,
        cite,
        jobs,
        launch,
        list_runs,
        measure_scaling,
        measure_utilisation,
        new_study,
        open_run,
        plan_study,
        predict,
        repair_run,
        run,
        style,
        tune,
        verify,
    )
    from fallline.contracts import Hyperparameter, Loss, Metric, Model, Optimizer, Schedule, Split, Splits, Task
    from fallline.datasets.arrays import arrays
    from fallline.errors import FalllineError, FalllineWarning
    from fallline.models import from_equinox, from_flax, from_functions, from_keras, from_torch
    from fallline.networks import neurons
    from fallline.study import Study, load_study
    from fallline.tasks import from_arrays, network_task


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    if name in _PACKAGES:
        return import_module(f"fallline.{name}")
    raise AttributeError(f"module 'fallline' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
