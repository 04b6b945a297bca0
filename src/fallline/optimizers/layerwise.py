"""Rules that scale the step of a whole layer by its norm: LAMB, LARS and NovoGrad, those of optax but for the norm.

A layer is one array of the tree of weights. Only in these rules the step of a weight depends on other weights: arrays
that are concatenated are one layer.

optax squares the entries of a layer directly, so above 1.8e19 a norm is infinite and below 1e-23 it is 0, and a layer
with such gradients does not move. Ours are those of ``norm_of``, and NovoGrad keeps the root of its v for the same
reason. Where optax's norms hold, LAMB and LARS are optax's bit for bit, NovoGrad up to rounding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fallline.contracts.declaring import NO_DEFAULT, Fraction, LearningRate, Nonnegative, Positive, optimizer
from fallline.later import jax, jnp, optax
from fallline.norms import norm_in_parts, norm_of

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree


class NovogradState(NamedTuple):
    """The number of steps (int32 scalar), the running means m with the shape of the weights, and the root of v, one
    scalar per layer.
    """

    count: Any
    means: Any
    roots: Any


@optimizer
def lamb(
    learning_rate: LearningRate = NO_DEFAULT,
    beta1: Fraction = 0.9,
    beta2: Fraction = 0.999,
    epsilon: Positive = 1e-6,
    weight_decay: Nonnegative = 0.0,
):
    """LAMB.

    Equation::

        m += (1 - b1) (g - m);  v += (1 - b2) (g^2 - v);  M = m / (1 - b1^t);  V = v / (1 - b2^t);
        u = M / (sqrt(V) + eps) + weight_decay x;  x -= lr norm(x) / norm(u) u

    Args:
        learning_rate: step size
        beta1: decay rate of the running mean of the gradients
        beta2: decay rate of the running mean of the squared gradients
        epsilon: added to the denominator, so that tiny gradients take no huge steps
        weight_decay: decoupled weight decay, multiplied by the learning rate

    Source: You et al., 2020
    """
    return optax.chain(
        optax.scale_by_adam(beta1, beta2, epsilon),
        optax.add_decayed_weights(weight_decay),
        _scale_by_trust(1.0),
        optax.scale_by_learning_rate(learning_rate),
    )


@optimizer
def lars(
    learning_rate: LearningRate = NO_DEFAULT,
    momentum: Fraction = 0.9,
    weight_decay: Nonnegative = 0.0,
    trust_coefficient: Positive = 0.001,
):
    """LARS.

    Equation::

        u = g + weight_decay x;  b = mu b + lr trust norm(x) / norm(u) u;  x -= b

    Args:
        learning_rate: step size
        momentum: fraction of the previous step that is kept
        weight_decay: weight decay, added to the gradient
        trust_coefficient: norm of a layer's step relative to the norm of its weights, times the learning rate

    Source: You, Gitman and Ginsburg, 2017
    """
    return optax.chain(
        optax.add_decayed_weights(weight_decay),
        _scale_by_trust(trust_coefficient),
        optax.scale_by_learning_rate(learning_rate),
        optax.trace(momentum),
    )


@optimizer
def novograd(
    learning_rate: LearningRate = NO_DEFAULT,
    beta1: Fraction = 0.9,
    beta2: Fraction = 0.25,
    epsilon: Positive = 1e-6,
    weight_decay: Nonnegative = 0.0,
):
    """NovoGrad.

    Equation::

        v = b2 v + (1 - b2) norm(g)^2;  m = b1 m + (g / (sqrt(v) + eps) + weight_decay x);  x -= lr m;
        v_1 = norm(g_1)^2

    Args:
        learning_rate: step size
        beta1: decay rate of the sum of normalised gradients
        beta2: decay rate of the running mean of a layer's squared gradient norm
        epsilon: added to the denominator, so that tiny gradients take no huge steps
        weight_decay: decoupled weight decay, multiplied by the learning rate

    Source: Ginsburg et al., 2019
    """

    def init(weights: PyTree[Float[Array, "*_"]]) -> NovogradState:
        roots = jax.tree.map(lambda x: jnp.zeros((), x.dtype), weights)
        return NovogradState(jnp.zeros((), jnp.int32), jax.tree.map(jnp.zeros_like, weights), roots)

    def update(
        gradients: PyTree[Float[Array, "*_"]], state: NovogradState, weights: PyTree[Float[Array, "*_"]]
    ) -> tuple[PyTree[Float[Array, "*_"]], NovogradState]:
        def root(g, old):
            new = norm_of(g)
            both = jnp.stack([jnp.sqrt(beta2) * old, jnp.sqrt(1 - beta2) * new])
            return jnp.where(state.count == 0, new, norm_of(both))

        roots = jax.tree.map(root, gradients, state.roots)
        m = jax.tree.map(
            lambda m, g, x, s: beta1 * m + (g / (s + epsilon) + weight_decay * x),
            state.means,
            gradients,
            weights,
            roots,
        )
        return jax.tree.map(lambda m: -learning_rate * m, m), NovogradState(state.count + 1, m, roots)

    return optax.GradientTransformation(init, update)


def _scale_by_trust(coefficient):
    """``u`` times ``coefficient norm(x) / norm(u)`` of each layer; unchanged where one of the norms is 0."""

    def scale(u, x):
        of_weights, (size, rest) = norm_of(x), norm_in_parts(u)
        nothing = (of_weights == 0) | (rest == 0)
        return jnp.where(nothing, u, u / size * (coefficient * of_weights / jnp.where(nothing, 1.0, rest)))

    def update(
        gradients: PyTree[Float[Array, "*_"]], state: Any, weights: PyTree[Float[Array, "*_"]]
    ) -> tuple[PyTree[Float[Array, "*_"]], Any]:
        return jax.tree.map(scale, gradients, weights), state

    return optax.GradientTransformation(lambda weights: optax.EmptyState(), update)
