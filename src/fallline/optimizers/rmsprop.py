"""RMSProp, plain or centered, with momentum: TensorFlow 1's form, in a variant that is stable in float32.

TensorFlow keeps s, the mean of g^2, and q, the mean of g, and takes the root of ``s - q^2 + eps``. For constant
gradients s and q^2 cancel, and rounding can leave less than -eps: the root is then nan. We keep w = s - q^2 itself,
whose recurrence ``w = decay (w + (1 - decay) (g - q)^2)`` follows from theirs and is a sum of squares.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fallline.contracts.declaring import NO_DEFAULT, Flag, Fraction, LearningRate, Positive, optimizer
from fallline.later import jax, jnp, optax

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree


class RmspropState(NamedTuple):
    """The gradient's running mean q and variance w = s - q^2, and the step b, each with the shape of the weights."""

    means: Any
    variances: Any
    steps: Any


@optimizer
def rmsprop(
    learning_rate: LearningRate = NO_DEFAULT,
    decay: Fraction = 0.9,
    momentum: Fraction = 0.0,
    epsilon: Positive = 1e-10,
    centered: Flag = False,
):
    """RMSProp, plain or centered.

    Equation::

        s += (1 - decay) (g^2 - s);  q += (1 - decay) (g - q);
        b = mu b + lr g / sqrt(s + eps), centered lr g / sqrt(s - q^2 + eps);  x -= b;  s0 = 1, q0 = b0 = 0

    Args:
        learning_rate: step size
        decay: decay rate of the running means of gradients and squared gradients
        momentum: fraction of the previous step that is kept
        epsilon: added to the denominator, so that tiny gradients take no huge steps
        centered: divide by the gradient's standard deviation, not by its root mean square

    Source: Tieleman and Hinton, 2012; centered: Graves, 2013; TensorFlow 1 form
    """
    lr, mu, eps = learning_rate, momentum, epsilon

    def init(weights: PyTree[Float[Array, "*_"]]) -> RmspropState:
        fills = (jnp.zeros_like, jnp.ones_like, jnp.zeros_like)
        return RmspropState(*(jax.tree.map(fill, weights) for fill in fills))

    def update(
        gradients: PyTree[Float[Array, "*_"]], state: RmspropState, weights: Any = None
    ) -> tuple[PyTree[Float[Array, "*_"]], RmspropState]:
        del weights
        w = jax.tree.map(
            lambda w, q, g: decay * (w + (1 - decay) * (g - q) ** 2), state.variances, state.means, gradients
        )
        q = jax.tree.map(lambda q, g: q + (1 - decay) * (g - q), state.means, gradients)
        b = jax.tree.map(
            lambda b, g, w, q: mu * b + lr * g * jax.lax.rsqrt(w + (1 - centered) * (q * q) + eps),
            state.steps,
            gradients,
            w,
            q,
        )
        return jax.tree.map(jnp.negative, b), RmspropState(q, w, b)

    return optax.GradientTransformation(init, update)
