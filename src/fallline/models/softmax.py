"""A single layer: logits = W x + b."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp

from fallline.contracts import Model
from fallline.models.layers import Dense


class SoftmaxLayer(eqx.Module):
    """One dense layer [classes, inputs] whose outputs are logits; weights and biases start at zero."""

    output: Dense

    def __init__(self, inputs: int, classes: int):
        self.output = Dense(jnp.zeros((classes, inputs)), jnp.zeros(classes))

    def __call__(self, inputs: Any) -> Any:
        """Logits [batch, classes] of ``inputs`` [batch, inputs]."""
        return self.output(inputs)


def softmax_layer(inputs: int, classes: int) -> Model:
    """The model of a ``SoftmaxLayer``, the same for every seed."""

    def init(key: Any) -> SoftmaxLayer:
        return SoftmaxLayer(inputs, classes)

    def apply(layer: SoftmaxLayer, inputs: Any) -> Any:
        return layer(inputs)

    return Model("softmax-layer", init, apply)
