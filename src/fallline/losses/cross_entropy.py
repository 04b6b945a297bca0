"""Softmax cross entropy of logits with integer labels or with a distribution over the classes."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from fallline.contracts import Loss
from fallline.errors import ModelError


def _softmax_cross_entropy(logits, labels):
    """``-sum_k y_k log softmax(z)_k`` of each example, [batch].

    ``logits`` z [batch, classes]; ``labels`` y [batch, classes] (one-hot or any weights), or whole numbers [batch] of
    which 0 <= y < classes: another number is no class, and its example's loss is 0. ModelError for other shapes.
    """
    shift = logits - jax.lax.stop_gradient(jnp.max(logits, axis=-1, keepdims=True))
    log_sum = jnp.log(jnp.sum(jnp.exp(shift), axis=-1, keepdims=True))
    return jnp.sum((log_sum - shift) * _weights(logits, labels), axis=-1)


def _weights(logits, labels):
    """Each class's weight: the labels as given, or a comparison where a gather's gradient would be a scatter."""
    if logits.ndim == 2 and labels.shape == logits.shape:
        return labels.astype(logits.dtype)
    if logits.ndim == 2 and labels.shape == logits.shape[:1] and jnp.issubdtype(labels.dtype, jnp.integer):
        return (labels[:, None] == jnp.arange(logits.shape[1])).astype(logits.dtype)
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
