"""Update rules: factories from numbers to optax transformations. One idea a file; found by name."""

from __future__ import annotations

from typing import Any

from fallline.contracts import Optimizer
from fallline.contracts.registry import find, parts


def optimizers() -> dict[str, Optimizer]:
    """Every update rule by name."""
    return parts(__name__, Optimizer)


def find_optimizer(name: str, where: str = "") -> Optimizer:
    """The rule of that name, or UnknownName with the near ones."""
    return find(__name__, Optimizer, name, where)


def optimizer(name: str, **hyperparameters: float) -> Any:
    """The optax ``GradientTransformation`` of that name with these numbers.

    >>> import fallline
    >>> rule = fallline.optimizer("adam", learning_rate=0.005, beta2=0.99)
    """
    return find_optimizer(name)(**hyperparameters)
