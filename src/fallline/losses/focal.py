"""Focal loss: a cross entropy in which what is already answered well counts less."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from fallline.contracts import Hyperparameter, Loss, nonnegative
from fallline.losses.classes import matched
from fallline.losses.sigmoid import two_sided

CLIP = 1e-7  # Keras's

HYPERPARAMETERS = (
    Hyperparameter("alpha", 0.25, low=0.0, high=1.0, meaning="the weight of a yes; a no has 1 - alpha"),
    nonnegative("gamma", 2.0, "how little a good answer counts: the power of its error"),
)


def _sigmoid_focal(logits, labels, alpha=0.25, gamma=2.0):
    """``alpha_t (1 - p_t)^gamma CE`` with p = sigmoid(z), summed over classes, [batch].

    ``logits`` z [batch, classes]; ``labels`` y [batch, classes] from 0 to 1, or whole numbers [batch], made one-hot.
    ``p_t = y p + (1 - y) (1 - p)``, ``alpha_t = y alpha + (1 - y) (1 - alpha)``, CE is the sigmoid cross entropy of an
    entry. ModelError for other shapes.
    """
    logits, y = matched("sigmoid_focal", logits, labels)
    error = y * jax.nn.sigmoid(-logits) + (1 - y) * jax.nn.sigmoid(logits)
    return _summed(y, error, two_sided(logits, y), alpha, gamma)


def _sigmoid_focal_of_probabilities(probabilities, labels, alpha=0.25, gamma=2.0):
    """As ``sigmoid_focal``, of p [batch, classes] given as probabilities, which are held in [1e-7, 1 - 1e-7].

    Keras holds them in the logs alone. TensorFlow Addons adds Keras' epsilon in the logs too, log(p + 1e-7): that is
    log 2 at p = 1e-7, less than 1e-3 from p = 1e-4 on. Beyond these ends the gradient is 0: what is surely wrong is not
    mended.
    """
    probabilities, y = matched("sigmoid_focal_of_probabilities", probabilities, labels, "probabilities")
    yes = jnp.clip(probabilities, CLIP, 1 - CLIP)
    no = jnp.clip(1 - probabilities, CLIP, 1 - CLIP)  # 1 - yes would round 1e-7 to 1.2e-7 in float32
    entropies = -(y * jnp.log(yes) + (1 - y) * jnp.log(no))
    return _summed(y, y * no + (1 - y) * yes, entropies, alpha, gamma)


def _summed(y, error, entropies, alpha, gamma):
    """``sum_k alpha_t error^gamma CE`` of each example; ``error`` is 1 - p_t."""
    # below, the entropy is 0 as well; a power of 0 would have no gradient where gamma < 1
    error = jnp.maximum(error, jnp.finfo(error.dtype).tiny)
    return jnp.sum((y * alpha + (1 - y) * (1 - alpha)) * error**gamma * entropies, axis=-1)


SIGMOID_FOCAL = Loss(
    name="sigmoid_focal",
    function=_sigmoid_focal,
    hyperparameters=HYPERPARAMETERS,
    takes="logits",
    shares=True,
    title="sigmoid focal loss",
    equation="mean over examples of sum_k alpha_t (1 - p_t)^gamma CE(z_k, y_k), p = sigmoid(z)",
    source="Lin et al., 2017, equation 5; TensorFlow Addons form",
)

SIGMOID_FOCAL_OF_PROBABILITIES = Loss(
    name="sigmoid_focal_of_probabilities",
    function=_sigmoid_focal_of_probabilities,
    hyperparameters=HYPERPARAMETERS,
    takes="probabilities",
    shares=True,
    title="sigmoid focal loss of probabilities",
    equation="mean over examples of -sum_k alpha_t (1 - p_t)^gamma (y_k log(p_k) + (1 - y_k) log(1 - p_k))",
    source="Lin et al., 2017, equation 5; TensorFlow Addons form without its epsilon in the logs",
)
