"""Huber's loss: quadratic for small errors, linear for large ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fallline.contracts.declaring import Positive, loss
from fallline.later import jnp
from fallline.losses.squared import errors_of

if TYPE_CHECKING:
    from jaxtyping import Array, Float


@loss(takes="values")
def huber(outputs: Float[Array, "batch ..."], targets: Array, delta: Positive = 1.0) -> Float[Array, " batch"]:
    """Huber loss.

    ``e_k^2 / 2`` where ``|e_k| <= delta``, else ``delta (|e_k| - delta / 2)``, summed over outputs: one value per
    example, [batch]. ``targets`` have the shape of ``outputs`` [batch, ...] up to axes of length 1, else ModelError.
    Keras takes the mean over outputs.

    Equation::

        mean over examples of sum_k min(|e_k|, d) (|e_k| - min(|e_k|, d) / 2), e = o - y, d = delta

    Args:
        delta: error at which the loss turns from quadratic to linear

    Source: Huber, 1964
    """
    errors = jnp.abs(errors_of("huber", outputs, targets))
    small = jnp.minimum(errors, delta)
    return jnp.sum(small * (errors - small / 2), axis=tuple(range(1, outputs.ndim)))
