"""The squared error: the mean over the batch, or the sum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fallline.contracts.declaring import loss
from fallline.errors import ModelError
from fallline.later import jnp

if TYPE_CHECKING:
    from jaxtyping import Array, Float


@loss(takes="values")
def squared_error(outputs: Float[Array, "batch ..."], targets: Array) -> Float[Array, " batch"]:
    """Squared error.

    ``targets`` have the shape of ``outputs`` [batch, ...] up to axes of length 1, else ModelError. One value per
    example, [batch].

    Equation::

        mean over examples of sum_k (o_k - y_k)^2

    Source: Legendre, 1805; Gauss, 1809
    """
    return _sums(outputs, targets)


@loss(takes="values", reduce="sum")
def sum_of_squares(outputs: Float[Array, "batch ..."], targets: Array) -> Float[Array, " batch"]:
    """Sum of squares.

    As ``squared_error``, summed over the examples of a batch.

    Equation::

        sum over examples of sum_k (o_k - y_k)^2

    Source: Legendre, 1805; Gauss, 1809
    """
    return _sums(outputs, targets)


def errors_of(loss: str, outputs: Float[Array, "batch ..."], targets: Array) -> Float[Array, "batch ..."]:
    """``o - y`` in the outputs' shape and the wider of the two float types; ModelError where one would have to be
    broadcast.
    """
    if _core(outputs) != _core(targets):
        raise ModelError(
            f"{loss} needs targets of the outputs' shape, got outputs {outputs.shape} and targets "
            f"{targets.shape}: give one target for each output"
        )
    kinds = [array.dtype for array in (outputs, targets) if jnp.issubdtype(array.dtype, jnp.floating)]
    wide = max(kinds, key=lambda kind: jnp.finfo(kind).bits)
    return outputs.astype(wide) - jnp.reshape(targets, outputs.shape).astype(wide)


def _sums(outputs: Float[Array, "batch ..."], targets: Array) -> Float[Array, " batch"]:
    errors = errors_of("the squared error", outputs, targets)
    return jnp.sum(errors * errors, axis=tuple(range(1, outputs.ndim)))


def _core(array: Array) -> tuple[int, ...]:
    """The shape without axes of length 1 after the batch, so that [batch] fits [batch, 1] and never broadcasts."""
    return array.shape[:1] + tuple(size for size in array.shape[1:] if size != 1)
