"""Sigmoid cross entropy: every class a question of its own, a yes worth `pos_weight` noes."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from fallline.contracts import Loss, fraction, positive
from fallline.losses.classes import matched


def _sigmoid_cross_entropy(logits, labels, label_smoothing=0.0):
    """``max(z, 0) - z y' + log(1 + exp(-|z|))`` with ``y' = (1 - s) y + s / 2``, its mean over classes, [batch].

    ``logits`` z [batch, classes]; ``labels`` y [batch, classes] from 0 to 1, or whole numbers [batch], made one-hot; of
    one logit an example, [batch] or [batch, 1], its label, 0 or 1. s is ``label_smoothing``. ModelError for other
    shapes.
    """
    logits, y = matched("sigmoid_cross_entropy", logits, labels)
    return jnp.mean(two_sided(logits, (1 - label_smoothing) * y + label_smoothing / 2), axis=-1)


def _weighted_cross_entropy(logits, labels, pos_weight=1.0):
    """``(1 - y) z + (1 + (w - 1) y) softplus(-z)``, its mean over classes, [batch]; w is ``pos_weight``.

    Shapes as in the sigmoid cross entropy, which it is at w = 1. The gradient is the true one everywhere. TensorFlow's
    at a logit of exactly 0 is 1 - y, where (1 - y) - (1 + (w - 1) y) / 2 is right.
    """
    return jnp.mean(two_sided(*matched("weighted_cross_entropy", logits, labels), pos_weight), axis=-1)


def two_sided(z, y, pos_weight=1.0):
    """``w y softplus(-z) + (1 - y) softplus(z)``, entry by entry.

    It equals both formulas above. No term is negative, so none cancels: the small losses of sure and right answers
    keep their digits, and so do their gradients.
    """
    return pos_weight * y * jax.nn.softplus(-z) + (1 - y) * jax.nn.softplus(z)


SIGMOID_CROSS_ENTROPY = Loss(
    name="sigmoid_cross_entropy",
    function=_sigmoid_cross_entropy,
    hyperparameters=(fraction("label_smoothing", 0.0, "the share of a label moved to one half"),),
    takes="logits",
    shares=True,
    title="sigmoid cross entropy",
    equation="mean over examples and classes of max(z, 0) - z y' + log(1 + exp(-|z|)), y' = (1 - s) y + s / 2",
    source="TensorFlow 1 form; label smoothing: Keras",
)

WEIGHTED_CROSS_ENTROPY = Loss(
    name="weighted_cross_entropy",
    function=_weighted_cross_entropy,
    hyperparameters=(positive("pos_weight", 1.0, "what a missed yes costs, in false ones"),),
    takes="logits",
    shares=True,
    title="weighted cross entropy",
    equation="mean over examples and classes of (1 - y) z + (1 + (w - 1) y) softplus(-z)",
    source="TensorFlow 1 form",
)
