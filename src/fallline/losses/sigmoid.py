"""Sigmoid cross entropy: each class is a binary classification of its own; positive labels may weigh more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fallline.contracts.declaring import Fraction, Positive, loss
from fallline.later import jax, jnp
from fallline.losses.classes import matched

if TYPE_CHECKING:
    from jaxtyping import Array, Float


@loss(takes="logits", shares=True)
def sigmoid_cross_entropy(logits: Array, labels: Array, label_smoothing: Fraction = 0.0) -> Float[Array, " batch"]:
    """Sigmoid cross entropy.

    ``logits`` z [batch, classes]; ``labels`` y [batch, classes] from 0 to 1, or integers [batch], made one-hot; for a
    single logit per example, [batch] or [batch, 1], its label, 0 or 1. The mean over classes, [batch]; ModelError for
    other shapes.

    Equation::

        mean over examples and classes of max(z, 0) - z y' + log(1 + exp(-|z|)), y' = (1 - s) y + s / 2

    Args:
        label_smoothing: s, the fraction of a label that is moved to 1/2

    Source: TensorFlow 1 form; label smoothing: Keras
    """
    logits, y = matched("sigmoid_cross_entropy", logits, labels)
    return jnp.mean(two_sided(logits, (1 - label_smoothing) * y + label_smoothing / 2), axis=-1)


@loss(takes="logits", shares=True)
def weighted_cross_entropy(logits: Array, labels: Array, pos_weight: Positive = 1.0) -> Float[Array, " batch"]:
    """Weighted sigmoid cross entropy.

    Shapes as in ``sigmoid_cross_entropy``, which it equals at w = 1. The gradient is exact everywhere. TensorFlow's at
    a logit of exactly 0 is 1 - y, where (1 - y) - (1 + (w - 1) y) / 2 is right.

    Equation::

        mean over examples and classes of (1 - y) z + (1 + (w - 1) y) softplus(-z)

    Args:
        pos_weight: w, the cost of a false negative relative to a false positive

    Source: TensorFlow 1 form
    """
    return jnp.mean(two_sided(*matched("weighted_cross_entropy", logits, labels), pos_weight), axis=-1)


def two_sided(
    z: Float[Array, "batch classes"], y: Float[Array, "batch classes"], pos_weight: float = 1.0
) -> Float[Array, "batch classes"]:
    """``w y softplus(-z) + (1 - y) softplus(z)``, entry by entry.

    It equals both equations above. No term is negative, so none cancels: small losses of confident, right predictions
    keep their precision, and so do their gradients.
    """
    return pos_weight * y * jax.nn.softplus(-z) + (1 - y) * jax.nn.softplus(z)
