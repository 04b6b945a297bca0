"""Regularisation: what holds weights back, besides the loss and the noise of a model.

Each is a number of the recipe with a value that means off; a program has the operations of those that some of its
lanes use. Penalties are added to the gradient, where they belong to the objective: the loss that is recorded is the
loss on the data alone, so that recipes with different penalties can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from fallline.contracts import Hyperparameter, nonnegative, positive
from fallline.norms import norm_in_parts

L1 = nonnegative("l1_penalty", 0.0, "adds l1 sum |x| to the objective")
L2 = nonnegative("l2_penalty", 0.0, "adds l2/2 sum x^2 to the objective, so l2 x to the gradient")
DECAY = nonnegative(
    "weight_decay", 0.0, "takes rate * decay * x from each weight besides the update (Loshchilov and Hutter, 2019)"
)
CLIP = positive(
    "clip_norm",
    None,
    "scales a gradient whose norm over all weights is larger down to it (Pascanu, Mikolov and Bengio, 2013)",
    optional=True,
)
AVERAGE = Hyperparameter(
    "ema_decay",
    0.0,
    low=0.0,
    high=1.0,
    high_open=True,
    meaning="evaluates the average a = d a + (1 - d) x of the weights, from the first ones on "
    "(Polyak and Juditsky, 1992)",
)

HYPERPARAMETERS: tuple[Hyperparameter, ...] = (L1, L2, DECAY, CLIP, AVERAGE)


def in_use(hyperparameters: Mapping[str, float | None]) -> set[str]:
    """The names of those that are not off."""
    return {
        number.name
        for number in HYPERPARAMETERS
        if number.name in hyperparameters and hyperparameters[number.name] != number.default
    }


def as_array(name: str, value: float | None) -> float:
    """A number as the program takes it: no limit to the norm is an infinite one."""
    return math.inf if name == CLIP.name and value is None else float(value or 0.0)


def on_gradient(hyperparameters: Mapping[str, Any], weights: Any, gradient: Any) -> Any:
    """The gradient of the objective with its penalties, clipped; trees of one lane, ``hyperparameters`` its own in
    use.
    """
    import jax
    import jax.numpy as jnp

    if L1.name in hyperparameters:
        gradient = jax.tree.map(lambda g, x: g + hyperparameters[L1.name] * jnp.sign(x), gradient, weights)
    if L2.name in hyperparameters:
        gradient = jax.tree.map(lambda g, x: g + hyperparameters[L2.name] * x, gradient, weights)
    if CLIP.name in hyperparameters:
        scale, rest = norm_in_parts(gradient)
        longer, factor = scale * rest > hyperparameters[CLIP.name], hyperparameters[CLIP.name] / rest
        gradient = jax.tree.map(lambda g: jnp.where(longer, g / scale * factor, g), gradient)
    return gradient


def on_change(hyperparameters: Mapping[str, Any], rate: Any, weights: Any, change: Any) -> Any:
    """The change of the weights with the decoupled decay in it; ``rate`` is the learning rate of this step."""
    import jax

    if DECAY.name not in hyperparameters:
        return change
    return jax.tree.map(lambda c, x: c - rate * hyperparameters[DECAY.name] * x, change, weights)


def average(hyperparameters: Mapping[str, Any], averages: Any, weights: Any) -> Any:
    """The average of the weights one step on; where the decay is 0, the weights themselves."""
    import jax

    d = hyperparameters[AVERAGE.name]
    return jax.tree.map(lambda a, x: d * a + (1 - d) * x, averages, weights)
