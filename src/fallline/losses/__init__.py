"""Losses: a value per example, or one of a whole batch. One idea a file; found by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fallline.contracts import Loss, check_hyperparameters
from fallline.contracts.registry import find, parts


def losses() -> dict[str, Loss]:
    """Every loss by name."""
    return parts(__name__, Loss)


def find_loss(name: str, where: str = "") -> Loss:
    """The loss of that name, or UnknownName with the near ones."""
    return find(__name__, Loss, name, where)


def loss(name: str, **hyperparameters: float) -> Callable[..., Any]:
    """The loss of that name with these numbers, a function of outputs and targets that gives the values [batch].

    A loss of a whole batch gives its scalar, and takes ``counts`` [batch] of 0 and 1 as well. One that takes
    probabilities wants them in the place of logits. Arrays may be numpy's. NumberError where a number breaks its law,
    UnknownName for a name that nothing answers to.

    >>> import fallline
    >>> values = fallline.loss("softmax_cross_entropy", label_smoothing=0.1)
    """
    found = find_loss(name)
    full = check_hyperparameters("loss", found.name, found.hyperparameters, hyperparameters)

    def values(outputs: Any, targets: Any, *counts: Any) -> Any:
        import jax.numpy as jnp

        return found.function(*(jnp.asarray(array) for array in (outputs, targets, *counts)), **full)

    return values
