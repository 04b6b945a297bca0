"""What lies between a model's outputs and a loss: nothing, or the softmax of logits where it takes probabilities."""

from __future__ import annotations

import jax

from fallline.contracts import in_float32, single


def as_taken(takes, gives, outputs):
    """The outputs [batch, ...] of a model that ``gives`` logits, say, as a loss ``takes`` them, in float32 at least.

    Of one output an example the probability is its sigmoid: a softmax of one is 1.
    """
    outputs = in_float32(outputs)
    if takes != "probabilities" or gives != "logits":
        return outputs
    return jax.nn.sigmoid(outputs) if single(outputs) else jax.nn.softmax(outputs)
