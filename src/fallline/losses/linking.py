"""The step between a model's outputs and a loss: none, or the softmax of logits for a loss that takes probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fallline.contracts import in_float32, single
from fallline.later import jax

if TYPE_CHECKING:
    from jaxtyping import Array, Float


def as_taken(takes: str, gives: str, outputs: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
    """The outputs of a model that ``gives`` logits, say, as a loss ``takes`` them, in float32 or wider.

    For a single output per example the probability is its sigmoid: a softmax of one is 1.
    """
    outputs = in_float32(outputs)
    if takes != "probabilities" or gives != "logits":
        return outputs
    return jax.nn.sigmoid(outputs) if single(outputs) else jax.nn.softmax(outputs)
