"""A single layer: logits = W x + b."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp

from fallline.contracts import Model
from fallline.models.layers import Dense


class SoftmaxLayer(NamedTuple):
    """One dense layer [classes, inputs] whose outputs are logits; weights and biases start at zero."""

    output: Dense

    @classmethod
    def make(cls, inputs: int, classes: int) -> SoftmaxLayer:
        return cls(Dense(jnp.zeros((classes, inputs)), jnp.zeros(classes)))

    def __call__(self, inputs: Any) -> Any:
        """Logits [batch, classes] of ``inputs`` [batch, inputs]."""
        return self.output(inputs)


def softmax_layer(inputs: int, classes: int) -> Model:
    """The model of a ``SoftmaxLayer``, the same for every seed."""

    def init(key: Any) -> SoftmaxLayer:
        return SoftmaxLayer.make(inputs, classes)

    def apply(layer: SoftmaxLayer, inputs: Any) -> Any:
        return layer(inputs)

    return Model("softmax-layer", init, apply)
