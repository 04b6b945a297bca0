"""Softmax cross entropy of logits with integer labels or with a distribution over the classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fallline.contracts.declaring import Fraction, loss
from fallline.errors import ModelError
from fallline.later import jax, jnp
from fallline.losses.classes import are_integers, at_labels, indices, need_classes

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Shaped


@loss(takes="logits")
def softmax_cross_entropy(logits: Array, labels: Array, label_smoothing: Fraction = 0.0) -> Float[Array, " batch"]:
    """Softmax cross entropy.

    ``logits`` z [batch, classes]; ``labels`` y [batch, classes] (one-hot, or any weight per class), or integers [batch]
    from 0 to K - 1, where any other gives nan. One value per example, [batch]; ModelError for other shapes.

    Equation::

        mean over examples of -sum_k y'_k log softmax(z)_k, y' = (1 - s) y + s / K

    Args:
        label_smoothing: s, the fraction of a label that is spread evenly over all classes

    Source: Bridle, 1990; label smoothing: Szegedy et al., 2016; TensorFlow 1 form
    """
    need_classes("softmax_cross_entropy", logits)
    if are_integers("softmax_cross_entropy", logits, labels):
        return _of_integers(logits, labels, label_smoothing)
    z, log_sum = _shifted(logits)
    weights = (1 - label_smoothing) * labels.astype(z.dtype) + label_smoothing / z.shape[-1]
    return jnp.sum((log_sum[:, None] - z) * weights, axis=-1)


@loss(takes="logits")
def sparse_softmax_cross_entropy(logits: Array, labels: Array) -> Float[Array, " batch"]:
    """Softmax cross entropy with integer labels.

    ``logits`` z [batch, classes], integer ``labels`` y [batch]. One value per example, [batch]; ModelError for other
    shapes.

    Equation::

        mean over examples of log(sum_k exp(z_k)) - z_y

    Source: Bridle, 1990; TensorFlow 1 form
    """
    need_classes("sparse_softmax_cross_entropy", logits)
    if not are_integers("sparse_softmax_cross_entropy", logits, labels):
        raise ModelError(
            f"sparse_softmax_cross_entropy needs logits [batch, classes] with integer labels [batch], got "
            f"labels {labels.shape} of {labels.dtype}: for rows of labels write softmax_cross_entropy"
        )
    return _of_integers(logits, labels)


def _of_integers(
    logits: Float[Array, "batch classes"], labels: Shaped[Array, " batch"], label_smoothing: float = 0.0
) -> Float[Array, " batch"]:
    z, log_sum = _shifted(logits)
    of_label = at_labels(z, indices(labels, z.shape[-1]))
    # without smoothing a class whose logit is -inf does not contribute, and 0 * -inf would make it nan
    others = jnp.where(label_smoothing > 0, label_smoothing * jnp.mean(z, axis=-1), 0)
    return log_sum - (1 - label_smoothing) * of_label - others


def _shifted(logits: Float[Array, "batch classes"]) -> tuple[Float[Array, "batch classes"], Float[Array, " batch"]]:
    """Logits minus their maximum, and the log of the sum of their exponentials."""
    z = logits - jax.lax.stop_gradient(jnp.max(logits, axis=-1, keepdims=True))
    return z, jnp.log(jnp.sum(jnp.exp(z), axis=-1))
