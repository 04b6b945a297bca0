"""Adam in two of the three forms people meet: TensorFlow 1's, and the one with epsilon under the root.

TensorFlow adds epsilon to the uncorrected root ("epsilon-hat"). The third form, optax's and the paper's, here
``adam_paper``, adds it to the corrected root: the same with eps / sqrt(1 - b2^t) for eps.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fallline.contracts import Optimizer
from fallline.later import jax, jnp, optax
from fallline.optimizers._hyperparameters import beta1, beta2, epsilon, learning_rate


class AdamState(NamedTuple):
    """The step's number t (int32 scalar) and the running means of g and g^2, each shaped as the weights."""

    count: Any
    means: Any
    squares: Any


def _adam(learning_rate, beta1, beta2, epsilon):
    b1, b2, eps = beta1, beta2, epsilon

    def init(weights):
        return AdamState(jnp.zeros((), jnp.int32), *(jax.tree.map(jnp.zeros_like, weights) for _ in range(2)))

    def update(gradients, state, weights=None):
        del weights
        t = state.count + 1
        lr_t = learning_rate * jnp.sqrt(one_minus_power(b2, t)) / one_minus_power(b1, t)
        m = jax.tree.map(lambda m, g: m + (1 - b1) * (g - m), state.means, gradients)
        v = jax.tree.map(lambda v, g: v + (1 - b2) * (g * g - v), state.squares, gradients)
        steps = jax.tree.map(lambda m, v: -lr_t * m / (jnp.sqrt(v) + eps), m, v)
        return steps, AdamState(t, m, v)

    return optax.GradientTransformation(init, update)


def _adam_inside(learning_rate, beta1, beta2, epsilon):
    return optax.adam(learning_rate, beta1, beta2, eps=0.0, eps_root=epsilon)


def one_minus_power(beta, t):
    """``1 - beta^t``, exact to a few units in the last place where beta^t is near 1 and the plain form cancels."""
    return -jnp.expm1(t * jnp.log1p(beta - 1))


ADAM = Optimizer(
    name="adam",
    make=_adam,
    hyperparameters=(learning_rate(0.001), beta1(), beta2(), epsilon(1e-8)),
    title="Adam with TensorFlow's epsilon-hat",
    equation=(
        "m += (1 - b1) (g - m);  v += (1 - b2) (g^2 - v);  "
        "x -= lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + eps);  m0 = v0 = 0"
    ),
    source="Kingma and Ba, 2015, the form before section 2.1; TensorFlow 1 form",
)

ADAM_INSIDE = Optimizer(
    name="adam_inside",
    make=_adam_inside,
    hyperparameters=(learning_rate(), beta1(), beta2(), epsilon(1e-8)),
    title="Adam with epsilon under the root",
    equation=(
        "m += (1 - b1) (g - m);  v += (1 - b2) (g^2 - v);  M = m / (1 - b1^t);  V = v / (1 - b2^t);  "
        "x -= lr M / sqrt(V + eps);  m0 = v0 = 0"
    ),
    source="Kingma and Ba, 2015, as some lecture notes write it",
)
