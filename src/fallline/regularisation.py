"""Regularisation: what keeps weights small or smooth, besides the loss and the noise of a model.

A regulariser is one value in ``REGULARISERS``. Its hyperparameter belongs to the recipe and has a value that means off;
a compiled program contains the operations of those regularisers that some of its lanes use. Penalties are added to the
gradient, as part of the training objective: the recorded loss is the loss on the data alone, so that recipes with
different penalties can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from fallline.contracts import Hyperparameter, nonnegative, positive
from fallline.contracts.hyperparameters import Value
from fallline.norms import norm_in_parts


@dataclass(frozen=True)
class Regulariser:
    """A hyperparameter whose default means off, and a function for each place where it acts.

    All functions run inside the compiled program on trees of one lane; ``value`` is the lane's hyperparameter, a
    float32 scalar. ``gradient_with(value, weights, gradient)`` returns the gradient that the update rule gets,
    ``change_with(value, learning_rate, weights, change)`` the change that the rule's own change becomes, and
    ``average_with(value, average, weights)`` the average of the weights that is evaluated in place of the weights.
    ``none_as`` is the value that stands for None, where the hyperparameter is optional.
    """

    hyperparameter: Hyperparameter
    gradient_with: Callable[[Any, Any, Any], Any] | None = None
    change_with: Callable[[Any, Any, Any, Any], Any] | None = None
    average_with: Callable[[Any, Any, Any], Any] | None = None
    none_as: float = 0.0

    @property
    def name(self) -> str:
        return self.hyperparameter.name


def _l1(value: Any, weights: Any, gradient: Any) -> Any:
    import jax
    import jax.numpy as jnp

    return jax.tree.map(lambda g, x: g + value * jnp.sign(x), gradient, weights)


def _l2(value: Any, weights: Any, gradient: Any) -> Any:
    import jax

    return jax.tree.map(lambda g, x: g + value * x, gradient, weights)


def _clip(value: Any, weights: Any, gradient: Any) -> Any:
    import jax
    import jax.numpy as jnp

    scale, rest = norm_in_parts(gradient)
    longer, factor = scale * rest > value, value / rest
    return jax.tree.map(lambda g: jnp.where(longer, g / scale * factor, g), gradient)


def _decay(value: Any, learning_rate: Any, weights: Any, change: Any) -> Any:
    import jax

    return jax.tree.map(lambda c, x: c - learning_rate * value * x, change, weights)


def _average(value: Any, average: Any, weights: Any) -> Any:
    import jax

    return jax.tree.map(lambda a, x: value * a + (1 - value) * x, average, weights)


REGULARISERS: tuple[Regulariser, ...] = (
    Regulariser(nonnegative("l1_penalty", 0.0, "adds l1 sum |x| to the training objective"), gradient_with=_l1),
    Regulariser(
        nonnegative("l2_penalty", 0.0, "adds l2/2 sum x^2 to the training objective, so l2 x to the gradient"),
        gradient_with=_l2,
    ),
    Regulariser(
        nonnegative(
            "weight_decay",
            0.0,
            "subtracts learning_rate * decay * x from each weight besides the update (Loshchilov and Hutter, 2019)",
        ),
        change_with=_decay,
    ),
    Regulariser(
        positive(
            "clip_norm",
            None,
            "scales a gradient whose norm over all weights is larger down to it (Pascanu, Mikolov and Bengio, 2013)",
            optional=True,
        ),
        gradient_with=_clip,
        none_as=math.inf,
    ),
    Regulariser(
        Hyperparameter(
            "ema_decay",
            0.0,
            low=0.0,
            high=1.0,
            high_open=True,
            meaning="evaluates the moving average a = d a + (1 - d) x of the weights, which starts at the initial "
            "weights (Polyak and Juditsky, 1992)",
        ),
        average_with=_average,
    ),
)
"""In the order in which they act. Penalties precede clipping, which limits the gradient of the whole objective."""

HYPERPARAMETERS: tuple[Hyperparameter, ...] = tuple(regulariser.hyperparameter for regulariser in REGULARISERS)

_NONE_AS = {regulariser.name: regulariser.none_as for regulariser in REGULARISERS}


def in_use(hyperparameters: Mapping[str, Value]) -> set[str]:
    """The names of the regularisers that are not off."""
    return {
        hyperparameter.name
        for hyperparameter in HYPERPARAMETERS
        if hyperparameter.name in hyperparameters and hyperparameters[hyperparameter.name] != hyperparameter.default
    }


def as_array(name: str, value: float | None) -> float:
    """A hyperparameter as the program takes it: no limit of the norm is an infinite one, any other None is 0."""
    return _NONE_AS.get(name, 0.0) if value is None else float(value or 0.0)


def on_gradient(hyperparameters: Mapping[str, Any], weights: Any, gradient: Any) -> Any:
    """The gradient of the objective with its penalties, clipped; trees of one lane. ``hyperparameters`` holds the
    lane's values of the regularisers in use."""
    for regulariser in REGULARISERS:
        if regulariser.gradient_with is not None and regulariser.name in hyperparameters:
            gradient = regulariser.gradient_with(hyperparameters[regulariser.name], weights, gradient)
    return gradient


def on_change(hyperparameters: Mapping[str, Any], learning_rate: Any, weights: Any, change: Any) -> Any:
    """The change of the weights with decoupled decay; ``learning_rate`` is that of this step."""
    for regulariser in REGULARISERS:
        if regulariser.change_with is not None and regulariser.name in hyperparameters:
            change = regulariser.change_with(hyperparameters[regulariser.name], learning_rate, weights, change)
    return change


def averages(names: Collection[str]) -> bool:
    """Whether one of these regularisers keeps an average of the weights."""
    return any(regulariser.average_with is not None and regulariser.name in names for regulariser in REGULARISERS)


def average(hyperparameters: Mapping[str, Any], averaged: Any, weights: Any) -> Any:
    """The average of the weights after one more step; where ``ema_decay`` is 0, the weights themselves."""
    for regulariser in REGULARISERS:
        if regulariser.average_with is not None and regulariser.name in hyperparameters:
            averaged = regulariser.average_with(hyperparameters[regulariser.name], averaged, weights)
    return averaged
