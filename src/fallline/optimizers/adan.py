"""Adan: Adam with Nesterov's look-ahead taken from the difference of two gradients.

Our own, since optax 0.2.8 weights the difference by 1 - b2 where the paper, in these symbols, has b2: 0.08 instead of
0.92.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fallline.contracts.declaring import NO_DEFAULT, Fraction, LearningRate, Nonnegative, Positive, optimizer
from fallline.later import jax, jnp, optax
from fallline.optimizers.adam import one_minus_power

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree


class AdanState(NamedTuple):
    """The number of steps t (int32 scalar), the last gradient and the running means, each with the shape of the
    weights.
    """

    count: Any
    gradients: Any
    means: Any
    differences: Any
    squares: Any


@optimizer
def adan(
    learning_rate: LearningRate = NO_DEFAULT,
    beta1: Fraction = 0.98,
    beta2: Fraction = 0.92,
    beta3: Fraction = 0.99,
    epsilon: Positive = 1e-8,
    weight_decay: Nonnegative = 0.0,
):
    """Adan.

    Equation::

        d = g - g_(t-1);  m += (1 - b1) (g - m);  v += (1 - b2) (d - v);  n += (1 - b3) ((g + b2 d)^2 - n);
        M = m / (1 - b1^t);  V = v / (1 - b2^t);  N = n / (1 - b3^t);
        x = (x - lr (M + b2 V) / (sqrt(N) + eps)) / (1 + lr weight_decay);  d_1 = 0

    Args:
        learning_rate: step size
        beta1: decay rate of the running mean of the gradients
        beta2: decay rate of the running mean of the gradients' differences
        beta3: decay rate of the running mean of the squared look-ahead gradients
        epsilon: added to the denominator, so that tiny gradients take no huge steps
        weight_decay: decoupled weight decay, multiplied by the learning rate

    Source: Xie et al., 2022
    """
    b1, b2, b3 = beta1, beta2, beta3
    pull = learning_rate * weight_decay

    def init(weights: PyTree[Float[Array, "*_"]]) -> AdanState:
        return AdanState(jnp.zeros((), jnp.int32), *(jax.tree.map(jnp.zeros_like, weights) for _ in range(4)))

    def update(
        gradients: PyTree[Float[Array, "*_"]], state: AdanState, weights: PyTree[Float[Array, "*_"]]
    ) -> tuple[PyTree[Float[Array, "*_"]], AdanState]:
        t = state.count + 1
        d = jax.tree.map(lambda g, old: jnp.where(t == 1, 0, g - old), gradients, state.gradients)
        m = jax.tree.map(lambda m, g: m + (1 - b1) * (g - m), state.means, gradients)
        v = jax.tree.map(lambda v, d: v + (1 - b2) * (d - v), state.differences, d)
        n = jax.tree.map(lambda n, g, d: n + (1 - b3) * ((g + b2 * d) ** 2 - n), state.squares, gradients, d)
        of_m, of_v, of_n = 1 / one_minus_power(b1, t), b2 / one_minus_power(b2, t), 1 / one_minus_power(b3, t)

        def step(x, m, v, n):
            u = (of_m * m + of_v * v) / (jnp.sqrt(of_n * n) + epsilon)
            return -(learning_rate * u + pull * x) / (1 + pull)

        return jax.tree.map(step, weights, m, v, n), AdanState(t, gradients, m, v, n)

    return optax.GradientTransformation(init, update)
