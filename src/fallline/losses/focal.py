"""Focal loss: a cross entropy that weights well-classified examples less."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fallline.contracts.declaring import ClosedFraction, Nonnegative, loss
from fallline.later import jax, jnp
from fallline.losses.classes import matched
from fallline.losses.sigmoid import two_sided

if TYPE_CHECKING:
    from jaxtyping import Array, Float

CLIP = 1e-7  # Keras's


@loss(takes="logits", shares=True)
def sigmoid_focal(
    logits: Array, labels: Array, alpha: ClosedFraction = 0.25, gamma: Nonnegative = 2.0
) -> Float[Array, " batch"]:
    """Sigmoid focal loss.

    ``logits`` z [batch, classes]; ``labels`` y [batch, classes] from 0 to 1, or integers [batch], made one-hot.
    ``p_t = y p + (1 - y) (1 - p)``, ``alpha_t = y alpha + (1 - y) (1 - alpha)``, CE is the sigmoid cross entropy of an
    entry. One value per example, [batch]; ModelError for other shapes.

    Equation::

        mean over examples of sum_k alpha_t (1 - p_t)^gamma CE(z_k, y_k), p = sigmoid(z)

    Args:
        alpha: weight of positive labels; negative ones have 1 - alpha
        gamma: power of the error: a larger one weights well-classified examples less

    Source: Lin et al., 2017, equation 5; TensorFlow Addons form
    """
    logits, y = matched("sigmoid_focal", logits, labels)
    error = y * jax.nn.sigmoid(-logits) + (1 - y) * jax.nn.sigmoid(logits)
    return _summed(y, error, two_sided(logits, y), alpha, gamma)


@loss(takes="probabilities", shares=True)
def sigmoid_focal_of_probabilities(
    probabilities: Array, labels: Array, alpha: ClosedFraction = 0.25, gamma: Nonnegative = 2.0
) -> Float[Array, " batch"]:
    """Sigmoid focal loss of probabilities.

    As ``sigmoid_focal``, of p [batch, classes] given as probabilities, which are clipped to [1e-7, 1 - 1e-7]. Keras
    clips them in the logs alone. TensorFlow Addons adds Keras' epsilon in the logs too, log(p + 1e-7): that is log 2 at
    p = 1e-7, less than 1e-3 from p = 1e-4 on. Beyond the bounds the gradient is 0: a confident error is not corrected.

    Equation::

        mean over examples of -sum_k alpha_t (1 - p_t)^gamma (y_k log(p_k) + (1 - y_k) log(1 - p_k))

    Args:
        alpha: weight of positive labels; negative ones have 1 - alpha
        gamma: power of the error: a larger one weights well-classified examples less

    Source: Lin et al., 2017, equation 5; TensorFlow Addons form without its epsilon in the logs
    """
    probabilities, y = matched("sigmoid_focal_of_probabilities", probabilities, labels, "probabilities")
    p = jnp.clip(probabilities, CLIP, 1 - CLIP)
    q = jnp.clip(1 - probabilities, CLIP, 1 - CLIP)  # 1 - p would round 1e-7 to 1.2e-7 in float32
    entropies = -(y * jnp.log(p) + (1 - y) * jnp.log(q))
    return _summed(y, y * q + (1 - y) * p, entropies, alpha, gamma)


def _summed(
    y: Float[Array, "batch classes"],
    error: Float[Array, "batch classes"],
    entropies: Float[Array, "batch classes"],
    alpha: float,
    gamma: float,
) -> Float[Array, " batch"]:
    """``sum_k alpha_t error^gamma CE`` of each example; ``error`` is 1 - p_t."""
    # below the smallest float the entropy is 0 as well; a power of 0 would have no gradient where gamma < 1
    error = jnp.maximum(error, jnp.finfo(error.dtype).tiny)
    return jnp.sum((y * alpha + (1 - y) * (1 - alpha)) * error**gamma * entropies, axis=-1)
