"""The squared error of an example: the mean over the batch, or the sum."""

from __future__ import annotations

import jax.numpy as jnp

from fallline.contracts import Loss
from fallline.errors import ModelError


def _squared_error(outputs, targets):
    """``sum_k (o_k - y_k)^2`` of each example, [batch]; ``targets`` as ``outputs``, axes of length 1 aside."""
    errors = errors_of("the squared error", outputs, targets)
    return jnp.sum(errors * errors, axis=tuple(range(1, outputs.ndim)))


def errors_of(loss, outputs, targets):
    """``o - y`` in the outputs' shape; ModelError where one would have to be broadcast."""
    if _core(outputs) != _core(targets):
        raise ModelError(
            f"{loss} needs targets shaped as the outputs, got outputs {outputs.shape} and targets "
            f"{targets.shape}: give one target for each output"
        )
    return outputs - jnp.reshape(targets, outputs.shape)


def _core(array):
    """The shape without axes of length 1 after the batch, so that [batch] fits [batch, 1] and never broadcasts."""
    return array.shape[:1] + tuple(size for size in array.shape[1:] if size != 1)


SQUARED_ERROR = Loss(
    name="squared_error",
    function=_squared_error,
    takes="values",
    title="squared error",
    equation="mean over examples of sum_k (o_k - y_k)^2",
    source="Legendre, 1805; Gauss, 1809",
)

SUM_OF_SQUARES = Loss(
    name="sum_of_squares",
    function=_squared_error,
    takes="values",
    reduce="sum",
    title="sum of squares",
    equation="sum over examples of sum_k (o_k - y_k)^2",
    source="Legendre, 1805; Gauss, 1809",
)
