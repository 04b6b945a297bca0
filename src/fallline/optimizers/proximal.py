"""Proximal gradient descent and proximal Adagrad: a plain step, then the exact minimum of the L1 and L2 terms.

With v = x - rate g the new weight is ``sign(v) max(|v| - rate l1, 0) / (1 + rate l2)``. It is written as the plain step
plus a correction that is exactly 0 without regularisation, so that the rule is then gradient descent bit for bit.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fallline.contracts import Optimizer
from fallline.later import jax, jnp, optax
from fallline.optimizers._hyperparameters import initial_accumulator, l1, l2, learning_rate


class ProximalAdagradState(NamedTuple):
    """The sum of squared gradients, shaped as the weights."""

    accumulators: Any


def _proximal_gradient_descent(learning_rate, l1, l2):
    def init(weights):
        del weights
        return optax.EmptyState()

    def update(gradients, state, weights):
        return jax.tree.map(lambda x, g: proximal_step(x, g, learning_rate, l1, l2), weights, gradients), state

    return optax.GradientTransformation(init, update)


def _proximal_adagrad(learning_rate, initial_accumulator, l1, l2):
    def init(weights):
        return ProximalAdagradState(jax.tree.map(lambda x: jnp.full_like(x, initial_accumulator), weights))

    def update(gradients, state, weights):
        n = jax.tree.map(lambda n, g: n + g * g, state.accumulators, gradients)
        steps = jax.tree.map(
            lambda x, g, n: proximal_step(x, g, learning_rate * jax.lax.rsqrt(n), l1, l2), weights, gradients, n
        )
        return steps, ProximalAdagradState(n)

    return optax.GradientTransformation(init, update)


def proximal_step(x, g, rate, l1, l2):
    """The step from ``x`` for the gradient ``g``; ``rate`` is a scalar or shaped as they are."""
    plain = -rate * g
    v = x + plain
    threshold = rate * l1
    cut = jnp.clip(v, -threshold, threshold)
    shrunk = rate * l2 / (1 + rate * l2)
    # -x, and not a sum that rounds, so that a weight within the threshold becomes exactly 0
    return jnp.where(jnp.abs(v) <= threshold, -x, plain - (cut + shrunk * (v - cut)))


PROXIMAL_GRADIENT_DESCENT = Optimizer(
    name="proximal_gradient_descent",
    make=_proximal_gradient_descent,
    hyperparameters=(learning_rate(), l1(), l2()),
    title="proximal gradient descent",
    equation="v = x - lr g;  x = sign(v) max(|v| - lr l1, 0) / (1 + lr l2)",
    source="Duchi and Singer, 2009; TensorFlow 1 form",
)

PROXIMAL_ADAGRAD = Optimizer(
    name="proximal_adagrad",
    make=_proximal_adagrad,
    hyperparameters=(learning_rate(), initial_accumulator(), l1(), l2()),
    title="proximal Adagrad",
    equation=(
        "n += g^2;  r = lr / sqrt(n);  v = x - r g;  x = sign(v) max(|v| - r l1, 0) / (1 + r l2);  "
        "n0 = initial_accumulator"
    ),
    source="Duchi and Singer, 2009; Duchi, Hazan and Singer, 2011; TensorFlow 1 form",
)
