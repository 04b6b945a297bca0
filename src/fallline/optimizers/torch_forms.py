"""The optimizers of torch.optim with PyTorch's equations and defaults, for recipes that come from PyTorch.

In a study they are written ``torch.adam`` or ``torch_adam``. They differ from those of TensorFlow in where epsilon is
added, in the first values of running means and in the defaults. ``weight_decay`` is PyTorch's: added to the gradient
as L2 regularisation, and decoupled in AdamW. Equations from the documentation of torch.optim 2.13, held against it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from fallline.contracts.declaring import Flag, Fraction, LearningRate, Nonnegative, Positive, optimizer
from fallline.later import jax, jnp, optax
from fallline.optimizers.adam import one_minus_power

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree


class TorchState(NamedTuple):
    """The number of steps t (int32 scalar), scalars of the rule, and for each weight the arrays that the rule keeps."""

    count: Any
    scalars: tuple[Any, ...]
    kept: tuple[Any, ...]


@optimizer
def torch_sgd(
    learning_rate: LearningRate = 0.001,
    momentum: Fraction = 0.0,
    dampening: Fraction = 0.0,
    weight_decay: Nonnegative = 0.0,
    nesterov: Flag = False,
):
    """PyTorch's SGD.

    Equation::

        G = g + weight_decay x;  b = mu b + (1 - dampening) G, at the first step and for mu = 0 b = G;
        x -= lr b, with nesterov lr (G + mu b)

    Args:
        learning_rate: step size
        momentum: fraction of the previous step that is kept
        dampening: how much less of the gradient enters the momentum
        weight_decay: L2 regularisation, added to the gradient
        nesterov: look ahead along the momentum

    Source: torch.optim.SGD, PyTorch 2.13; Sutskever et al., 2013
    """

    def rule(t: Any, x: Any, g: Any, b: Any) -> tuple[Any, Any]:
        g = g + weight_decay * x
        b = jnp.where((t == 1) | (momentum == 0), g, momentum * b + (1 - dampening) * g)
        return learning_rate * jnp.where(nesterov > 0, g + momentum * b, b), b

    return _elementwise(rule, 1)


@optimizer
def torch_adam(
    learning_rate: LearningRate = 0.001,
    beta1: Fraction = 0.9,
    beta2: Fraction = 0.999,
    epsilon: Positive = 1e-8,
    weight_decay: Nonnegative = 0.0,
    amsgrad: Flag = False,
):
    """PyTorch's Adam.

    Equation::

        G = g + weight_decay x;  m += (1 - b1) (G - m);  v += (1 - b2) (G^2 - v);  w = max(w, v);
        x -= lr / (1 - b1^t) m / (sqrt(v / (1 - b2^t)) + eps), with amsgrad w for v;  m0 = v0 = w0 = 0

    Args:
        learning_rate: step size
        beta1: decay rate of the running mean of the gradients
        beta2: decay rate of the running mean of the squared gradients
        epsilon: added to the denominator, so that tiny gradients take no huge steps
        weight_decay: L2 regularisation, added to the gradient
        amsgrad: divide by the largest second moment so far

    Source: torch.optim.Adam, PyTorch 2.13; Kingma and Ba, 2015; Reddi et al., 2018
    """

    def rule(t: Any, x: Any, g: Any, m: Any, v: Any, w: Any) -> tuple[Any, ...]:
        return _adam(t, g + weight_decay * x, m, v, w, learning_rate, beta1, beta2, epsilon, amsgrad)

    return _elementwise(rule, 3)


@optimizer
def torch_adamw(
    learning_rate: LearningRate = 0.001,
    beta1: Fraction = 0.9,
    beta2: Fraction = 0.999,
    epsilon: Positive = 1e-8,
    weight_decay: Nonnegative = 0.01,
    amsgrad: Flag = False,
):
    """PyTorch's AdamW.

    Equation::

        m += (1 - b1) (g - m);  v += (1 - b2) (g^2 - v);  w = max(w, v);
        x -= lr weight_decay x + lr / (1 - b1^t) m / (sqrt(v / (1 - b2^t)) + eps), with amsgrad w for v

    Args:
        learning_rate: step size
        beta1: decay rate of the running mean of the gradients
        beta2: decay rate of the running mean of the squared gradients
        epsilon: added to the denominator, so that tiny gradients take no huge steps
        weight_decay: decoupled weight decay, multiplied by the learning rate
        amsgrad: divide by the largest second moment so far

    Source: torch.optim.AdamW, PyTorch 2.13; Loshchilov and Hutter, 2019
    """

    def rule(t: Any, x: Any, g: Any, m: Any, v: Any, w: Any) -> tuple[Any, ...]:
        step, *kept = _adam(t, g, m, v, w, learning_rate, beta1, beta2, epsilon, amsgrad)
        return (step + learning_rate * weight_decay * x, *kept)

    return _elementwise(rule, 3)


def _adam(t, g, m, v, w, learning_rate, beta1, beta2, epsilon, amsgrad) -> tuple[Any, ...]:
    m = m + (1 - beta1) * (g - m)
    v = v + (1 - beta2) * (g * g - v)
    w = jnp.maximum(w, v)
    root = jnp.sqrt(jnp.where(amsgrad > 0, w, v) / one_minus_power(beta2, t))
    return learning_rate / one_minus_power(beta1, t) * m / (root + epsilon), m, v, w


@optimizer
def torch_nadam(
    learning_rate: LearningRate = 0.002,
    beta1: Fraction = 0.9,
    beta2: Fraction = 0.999,
    epsilon: Positive = 1e-8,
    weight_decay: Nonnegative = 0.0,
    momentum_decay: Nonnegative = 0.004,
):
    """PyTorch's NAdam.

    Equation::

        G = g + weight_decay x;  mu(t) = b1 (1 - 0.96^(t momentum_decay) / 2);  p = mu(1) ... mu(t);
        m += (1 - b1) (G - m);  v += (1 - b2) (G^2 - v);  q = sqrt(v / (1 - b2^t)) + eps;
        x -= lr ((1 - mu(t)) / (1 - p) G + mu(t + 1) / (1 - p mu(t + 1)) m) / q

    Args:
        learning_rate: step size
        beta1: decay rate of the running mean of the gradients
        beta2: decay rate of the running mean of the squared gradients
        epsilon: added to the denominator, so that tiny gradients take no huge steps
        weight_decay: L2 regularisation, added to the gradient
        momentum_decay: how fast the momentum grows to beta1

    Source: torch.optim.NAdam, PyTorch 2.13; Dozat, 2016
    """

    def mu(t: Any) -> Any:
        return beta1 * (1 - 0.5 * 0.96 ** (t * momentum_decay))

    def rule(t: Any, x: Any, g: Any, p: Any, m: Any, v: Any) -> tuple[Any, ...]:
        g = g + weight_decay * x
        m = m + (1 - beta1) * (g - m)
        v = v + (1 - beta2) * (g * g - v)
        root = jnp.sqrt(v / one_minus_power(beta2, t)) + epsilon
        ahead = mu(t + 1)
        return learning_rate * ((1 - mu(t)) / (1 - p) * g + ahead / (1 - p * ahead) * m) / root, m, v

    return _elementwise(rule, 2, (1.0,), lambda t, product: (product * mu(t),))


@optimizer
def torch_rmsprop(
    learning_rate: LearningRate = 0.01,
    alpha: Fraction = 0.99,
    epsilon: Positive = 1e-8,
    weight_decay: Nonnegative = 0.0,
    momentum: Fraction = 0.0,
    centered: Flag = False,
):
    """PyTorch's RMSprop.

    Equation::

        G = g + weight_decay x;  s += (1 - alpha) (G^2 - s);  q += (1 - alpha) (G - q);
        b = mu b + G / (sqrt(s) + eps), centered G / (sqrt(s - q^2) + eps);  x -= lr b;  s0 = q0 = b0 = 0

    Args:
        learning_rate: step size
        alpha: decay rate of the running means of gradients and squared gradients
        epsilon: added to the denominator, so that tiny gradients take no huge steps
        weight_decay: L2 regularisation, added to the gradient
        momentum: fraction of the previous step that is kept
        centered: divide by the gradient's standard deviation, not by its root mean square

    Source: torch.optim.RMSprop, PyTorch 2.13; Tieleman and Hinton, 2012; centered: Graves, 2013
    """

    def rule(t: Any, x: Any, g: Any, q: Any, w: Any, b: Any) -> tuple[Any, ...]:
        g = g + weight_decay * x
        w = alpha * (w + (1 - alpha) * (g - q) ** 2)  # s - q^2, as a sum of squares
        q = q + (1 - alpha) * (g - q)
        b = momentum * b + g / (jnp.sqrt(w + jnp.where(centered > 0, 0.0, q * q)) + epsilon)
        return learning_rate * b, q, w, b

    return _elementwise(rule, 3)


@optimizer
def torch_adagrad(
    learning_rate: LearningRate = 0.01,
    lr_decay: Nonnegative = 0.0,
    weight_decay: Nonnegative = 0.0,
    initial_accumulator: Nonnegative = 0.0,
    epsilon: Positive = 1e-10,
):
    """PyTorch's Adagrad.

    Equation::

        G = g + weight_decay x;  s += G^2;  x -= lr / (1 + (t - 1) lr_decay) G / (sqrt(s) + eps);
        s0 = initial_accumulator

    Args:
        learning_rate: step size
        lr_decay: how fast the learning rate falls with the steps
        weight_decay: L2 regularisation, added to the gradient
        initial_accumulator: first value of the accumulated squares
        epsilon: added to the denominator, so that tiny gradients take no huge steps

    Source: torch.optim.Adagrad, PyTorch 2.13; Duchi et al., 2011
    """

    def rule(t: Any, x: Any, g: Any, s: Any) -> tuple[Any, ...]:
        g = g + weight_decay * x
        s = s + g * g
        return (learning_rate / (1 + (t - 1) * lr_decay) * g / (jnp.sqrt(s + initial_accumulator) + epsilon), s)

    return _elementwise(rule, 1)


@optimizer
def torch_adadelta(
    learning_rate: LearningRate = 1.0, rho: Fraction = 0.9, epsilon: Positive = 1e-6, weight_decay: Nonnegative = 0.0
):
    """PyTorch's Adadelta.

    Equation::

        G = g + weight_decay x;  v += (1 - rho) (G^2 - v);  d = sqrt(u + eps) / sqrt(v + eps) G;
        u += (1 - rho) (d^2 - u);  x -= lr d;  u0 = v0 = 0

    Args:
        learning_rate: step size
        rho: decay rate of the running means
        epsilon: added under both roots
        weight_decay: L2 regularisation, added to the gradient

    Source: torch.optim.Adadelta, PyTorch 2.13; Zeiler, 2012
    """

    def rule(t: Any, x: Any, g: Any, v: Any, u: Any) -> tuple[Any, ...]:
        g = g + weight_decay * x
        v = v + (1 - rho) * (g * g - v)
        d = jnp.sqrt(u + epsilon) / jnp.sqrt(v + epsilon) * g
        return learning_rate * d, v, u + (1 - rho) * (d * d - u)

    return _elementwise(rule, 2)


def _elementwise(
    rule: Callable[..., tuple[Any, ...]],
    kept: int,
    scalars: tuple[float, ...] = (),
    advance: Callable[..., tuple[Any, ...]] = lambda t: (),
) -> Any:
    """The transformation of ``rule(t, x, g, *scalars, *arrays)``, which returns the step and the arrays after it.

    ``kept`` arrays of each weight start at 0; ``advance(t, *scalars)`` gives the scalars of step t, from 1.
    """

    def init(weights: PyTree[Float[Array, "*_"]]) -> TorchState:
        return TorchState(
            jnp.zeros((), jnp.int32),
            tuple(jnp.full((), value, _type(weights)) for value in scalars),
            tuple(jax.tree.map(jnp.zeros_like, weights) for _ in range(kept)),
        )

    def update(
        gradients: PyTree[Float[Array, "*_"]], state: TorchState, weights: Any = None
    ) -> tuple[PyTree[Float[Array, "*_"]], TorchState]:
        t = state.count + 1
        now = advance(t, *state.scalars)
        leaves, tree = jax.tree.flatten(gradients)
        columns = [jax.tree.leaves(weights), leaves, *map(jax.tree.leaves, state.kept)]
        after = [rule(t, x, g, *now, *arrays) for x, g, *arrays in zip(*columns, strict=True)]
        steps, *arrays = ([leaf[place] for leaf in after] for place in range(kept + 1))
        return (
            jax.tree.unflatten(tree, [-step for step in steps]),
            TorchState(t, now, tuple(jax.tree.unflatten(tree, own) for own in arrays)),
        )

    return optax.GradientTransformation(init, update)


def _type(weights: Any) -> Any:
    return jnp.result_type(*jax.tree.leaves(weights))
