"""Softmax cross entropy of logits with integer labels or with a distribution over the classes."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from fallline.contracts import Loss
from fallline.errors import ModelError


def _softmax_cross_entropy(logits, labels):
    """``-sum_k y_k log softmax(z)_k`` of each example, [batch].

    ``logits`` z [batch, classes]; ``labels`` y [batch, classes] (one-hot, or any weight a class), or whole numbers
    [batch] from 0 to classes - 1, where a larger one gives nan. ModelError for other shapes.
    """
    integer = _labels_are_integers(logits, labels)
    z = logits - jax.lax.stop_gradient(jnp.max(logits, axis=-1, keepdims=True))
    log_sum = jnp.log(jnp.sum(jnp.exp(z), axis=-1))
    if integer:
        return log_sum - jnp.take_along_axis(z, labels[:, None], axis=-1)[:, 0]
    return jnp.sum((log_sum[:, None] - z) * labels.astype(z.dtype), axis=-1)


def _labels_are_integers(logits, labels):
    """Whether labels are whole numbers [batch] rather than weights [batch, classes]."""
    if logits.ndim == 2 and labels.shape == logits.shape:
        return False
    if logits.ndim == 2 and labels.shape == logits.shape[:1] and jnp.issubdtype(labels.dtype, jnp.integer):
        return True
    raise ModelError(
        "softmax_cross_entropy needs logits [batch, classes] with labels [batch] of whole numbers or "
        f"[batch, classes], got logits {logits.shape} and labels {labels.shape} of {labels.dtype}"
    )


SOFTMAX_CROSS_ENTROPY = Loss(
    name="softmax_cross_entropy",
    function=_softmax_cross_entropy,
    title="softmax cross entropy",
    equation="mean over examples of log(sum_k exp(z_k)) - z_y, or of -sum_k y_k log softmax(z)_k",
    source="Bridle, 1990; TensorFlow 1 form",
)
