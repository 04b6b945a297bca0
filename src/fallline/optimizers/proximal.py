"""Proximal gradient descent and proximal Adagrad: a gradient step, then the exact minimum of the L1 and L2 penalties.

With v = x - lr g the new weight is ``sign(v) max(|v| - lr l1, 0) / (1 + lr l2)``. It is written as the gradient step
plus a correction that is exactly 0 without regularisation: the rule is then gradient descent bit for bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fallline.contracts.declaring import NO_DEFAULT, LearningRate, Nonnegative, Positive, optimizer
from fallline.later import jax, jnp, optax

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree


class ProximalAdagradState(NamedTuple):
    """The sum of squared gradients, with the shape of the weights."""

    accumulators: Any


@optimizer
def proximal_gradient_descent(learning_rate: LearningRate = NO_DEFAULT, l1: Nonnegative = 0.0, l2: Nonnegative = 0.0):
    """Proximal gradient descent.

    Equation::

        v = x - lr g;  x = sign(v) max(|v| - lr l1, 0) / (1 + lr l2)

    Args:
        learning_rate: step size
        l1: weight of the L1 penalty, which sets small weights to exactly 0
        l2: weight of the L2 penalty, which pulls weights towards 0

    Source: Duchi and Singer, 2009; TensorFlow 1 form
    """

    def init(weights: PyTree[Float[Array, "*_"]]) -> Any:
        del weights
        return optax.EmptyState()

    def update(
        gradients: PyTree[Float[Array, "*_"]], state: Any, weights: PyTree[Float[Array, "*_"]]
    ) -> tuple[PyTree[Float[Array, "*_"]], Any]:
        return jax.tree.map(lambda x, g: proximal_step(x, g, learning_rate, l1, l2), weights, gradients), state

    return optax.GradientTransformation(init, update)


@optimizer
def proximal_adagrad(
    learning_rate: LearningRate = NO_DEFAULT,
    initial_accumulator: Positive = 0.1,
    l1: Nonnegative = 0.0,
    l2: Nonnegative = 0.0,
):
    """Proximal Adagrad.

    Equation::

        n += g^2;  r = lr / sqrt(n);  v = x - r g;  x = sign(v) max(|v| - r l1, 0) / (1 + r l2);
        n0 = initial_accumulator

    Args:
        learning_rate: step size
        initial_accumulator: initial value of the sum of squared gradients
        l1: weight of the L1 penalty, which sets small weights to exactly 0
        l2: weight of the L2 penalty, which pulls weights towards 0

    Source: Duchi and Singer, 2009; Duchi, Hazan and Singer, 2011; TensorFlow 1 form
    """

    def init(weights: PyTree[Float[Array, "*_"]]) -> ProximalAdagradState:
        return ProximalAdagradState(jax.tree.map(lambda x: jnp.full_like(x, initial_accumulator), weights))

    def update(
        gradients: PyTree[Float[Array, "*_"]], state: ProximalAdagradState, weights: PyTree[Float[Array, "*_"]]
    ) -> tuple[PyTree[Float[Array, "*_"]], ProximalAdagradState]:
        n = jax.tree.map(lambda n, g: n + g * g, state.accumulators, gradients)
        steps = jax.tree.map(
            lambda x, g, n: proximal_step(x, g, learning_rate * jax.lax.rsqrt(n), l1, l2), weights, gradients, n
        )
        return steps, ProximalAdagradState(n)

    return optax.GradientTransformation(init, update)


def proximal_step(x, g, rate, l1, l2):
    """The step from ``x`` for the gradient ``g``; ``rate`` is a scalar or has their shape."""
    plain = -rate * g
    v = x + plain
    threshold = rate * l1
    cut = jnp.clip(v, -threshold, threshold)
    shrunk = rate * l2 / (1 + rate * l2)
    # -x, not a sum that rounds, so that a weight within the threshold becomes exactly 0
    return jnp.where(jnp.abs(v) <= threshold, -x, plain - (cut + shrunk * (v - cut)))
