"""Softmax cross entropy of logits with integer labels or with a distribution over the classes."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from fallline.contracts import Loss, fraction
from fallline.errors import ModelError
from fallline.losses.classes import are_whole, indices, need_classes, own


def _softmax_cross_entropy(logits, labels, label_smoothing=0.0):
    """``-sum_k y'_k log softmax(z)_k`` with ``y' = (1 - s) y + s / K`` of each example, [batch].

    ``logits`` z [batch, classes]; ``labels`` y [batch, classes] (one-hot, or any weight a class), or whole numbers
    [batch] from 0 to classes - 1, where another one gives nan; s is ``label_smoothing``. ModelError for other shapes.
    """
    need_classes("softmax_cross_entropy", logits)
    if are_whole("softmax_cross_entropy", logits, labels):
        return _of_whole_numbers(logits, labels, label_smoothing)
    z, log_sum = _shifted(logits)
    weights = (1 - label_smoothing) * labels.astype(z.dtype) + label_smoothing / z.shape[-1]
    return jnp.sum((log_sum[:, None] - z) * weights, axis=-1)


def _sparse_softmax_cross_entropy(logits, labels):
    """``log(sum_k exp(z_k)) - z_y`` of each example, [batch]: logits z [batch, classes], whole labels y [batch]."""
    need_classes("sparse_softmax_cross_entropy", logits)
    if not are_whole("sparse_softmax_cross_entropy", logits, labels):
        raise ModelError(
            f"sparse_softmax_cross_entropy needs logits [batch, classes] with labels [batch] of whole numbers, got "
            f"labels {labels.shape} of {labels.dtype}: for rows of labels write softmax_cross_entropy"
        )
    return _of_whole_numbers(logits, labels)


def _of_whole_numbers(logits, labels, label_smoothing=0.0):
    z, log_sum = _shifted(logits)
    of_label = own(z, indices(labels, z.shape[-1]))
    # without smoothing a class whose logit is -inf takes no part, and 0 * -inf would make it nan
    others = jnp.where(label_smoothing > 0, label_smoothing * jnp.mean(z, axis=-1), 0)
    return log_sum - (1 - label_smoothing) * of_label - others


def _shifted(logits):
    """Logits less their largest, [batch, classes], and the log of the sum of their exponentials, [batch]."""
    z = logits - jax.lax.stop_gradient(jnp.max(logits, axis=-1, keepdims=True))
    return z, jnp.log(jnp.sum(jnp.exp(z), axis=-1))


SOFTMAX_CROSS_ENTROPY = Loss(
    name="softmax_cross_entropy",
    function=_softmax_cross_entropy,
    hyperparameters=(fraction("label_smoothing", 0.0, "the share of a label spread evenly over all classes"),),
    takes="logits",
    title="softmax cross entropy",
    equation="mean over examples of -sum_k y'_k log softmax(z)_k, y' = (1 - s) y + s / K",
    source="Bridle, 1990; label smoothing: Szegedy et al., 2016; TensorFlow 1 form",
)

SPARSE_SOFTMAX_CROSS_ENTROPY = Loss(
    name="sparse_softmax_cross_entropy",
    function=_sparse_softmax_cross_entropy,
    takes="logits",
    title="softmax cross entropy, integer labels",
    equation="mean over examples of log(sum_k exp(z_k)) - z_y",
    source="Bridle, 1990; TensorFlow 1 form",
)
