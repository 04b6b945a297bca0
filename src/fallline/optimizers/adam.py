"""Adam in two of its three common forms: TensorFlow 1's, and the one with epsilon under the root.

TensorFlow adds epsilon to the uncorrected root ("epsilon-hat"). The third form, that of optax and of the paper, here
``adam_paper``, adds it to the corrected root: the same with eps / sqrt(1 - b2^t) for eps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fallline.contracts.declaring import NO_DEFAULT, Fraction, LearningRate, Positive, optimizer
from fallline.later import jax, jnp, optax

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree


class AdamState(NamedTuple):
    """The number of steps t (int32 scalar) and the running means of g and g^2, each with the shape of the weights."""

    count: Any
    means: Any
    squares: Any


@optimizer
def adam(learning_rate: LearningRate = 0.001, beta1: Fraction = 0.9, beta2: Fraction = 0.999, epsilon: Positive = 1e-8):
    """Adam with TensorFlow's epsilon-hat.

    Equation::

        m += (1 - b1) (g - m);  v += (1 - b2) (g^2 - v);
        x -= lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + eps);  m0 = v0 = 0

    Args:
        learning_rate: step size
        beta1: decay rate of the running mean of the gradients
        beta2: decay rate of the running mean of the squared gradients
        epsilon: added to the denominator, so that tiny gradients take no huge steps

    Source: Kingma and Ba, 2015, the form before section 2.1; TensorFlow 1 form
    """
    b1, b2, eps = beta1, beta2, epsilon

    def init(weights: PyTree[Float[Array, "*_"]]) -> AdamState:
        return AdamState(jnp.zeros((), jnp.int32), *(jax.tree.map(jnp.zeros_like, weights) for _ in range(2)))

    def update(
        gradients: PyTree[Float[Array, "*_"]], state: AdamState, weights: Any = None
    ) -> tuple[PyTree[Float[Array, "*_"]], AdamState]:
        del weights
        t = state.count + 1
        lr_t = learning_rate * jnp.sqrt(one_minus_power(b2, t)) / one_minus_power(b1, t)
        m = jax.tree.map(lambda m, g: m + (1 - b1) * (g - m), state.means, gradients)
        v = jax.tree.map(lambda v, g: v + (1 - b2) * (g * g - v), state.squares, gradients)
        steps = jax.tree.map(lambda m, v: -lr_t * m / (jnp.sqrt(v) + eps), m, v)
        return steps, AdamState(t, m, v)

    return optax.GradientTransformation(init, update)


@optimizer
def adam_inside(
    learning_rate: LearningRate = NO_DEFAULT, beta1: Fraction = 0.9, beta2: Fraction = 0.999, epsilon: Positive = 1e-8
):
    """Adam with epsilon under the root.

    Equation::

        m += (1 - b1) (g - m);  v += (1 - b2) (g^2 - v);  M = m / (1 - b1^t);  V = v / (1 - b2^t);
        x -= lr M / sqrt(V + eps);  m0 = v0 = 0

    Args:
        learning_rate: step size
        beta1: decay rate of the running mean of the gradients
        beta2: decay rate of the running mean of the squared gradients
        epsilon: added to the denominator, so that tiny gradients take no huge steps

    Source: Kingma and Ba, 2015, as some lecture notes write it
    """
    return optax.adam(learning_rate, beta1, beta2, eps=0.0, eps_root=epsilon)


def one_minus_power(beta, t):
    """``1 - beta^t``, accurate to a few units in the last place where beta^t is near 1 and the plain form cancels."""
    log = jnp.log1p(beta - 1)
    return -jnp.expm1(t.astype(log.dtype) * log)
