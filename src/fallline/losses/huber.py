"""Huber's loss: the squared error of small errors, in proportion to large ones."""

from __future__ import annotations

import jax.numpy as jnp

from fallline.contracts import Loss, positive
from fallline.losses.squared import errors_of


def _huber(outputs, targets, delta=1.0):
    """``sum_k e_k^2 / 2`` where ``|e_k| <= delta``, else ``delta (|e_k| - delta / 2)``, with e = o - y; [batch].

    ``targets`` as ``outputs`` [batch, ...], axes of length 1 aside, else ModelError. Keras takes the mean over outputs.
    """
    errors = jnp.abs(errors_of("huber", outputs, targets))
    small = jnp.minimum(errors, delta)
    return jnp.sum(small * (errors - small / 2), axis=tuple(range(1, outputs.ndim)))


HUBER = Loss(
    name="huber",
    function=_huber,
    takes="values",
    hyperparameters=(positive("delta", 1.0, "the error at which the square ends"),),
    title="Huber loss",
    equation="mean over examples of sum_k min(|e_k|, d) (|e_k| - min(|e_k|, d) / 2), e = o - y, d = delta",
    source="Huber, 1964",
)
