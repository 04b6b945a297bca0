"""Softmax regression: a single layer, logits = W x + b."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fallline.contracts import Model
from fallline.later import jnp
from fallline.models.layers import Dense

if TYPE_CHECKING:
    from jaxtyping import Array, Float


class SoftmaxLayer(NamedTuple):
    """One dense layer [classes, inputs] whose outputs are logits; weights and biases are initially zero."""

    output: Dense

    @classmethod
    def make(cls, inputs: int, classes: int) -> SoftmaxLayer:
        return cls(Dense(jnp.zeros((classes, inputs)), jnp.zeros(classes)))

    def __call__(self, inputs: Float[Array, "batch inputs"]) -> Float[Array, "batch classes"]:
        """Logits."""
        return self.output(inputs)


def softmax(inputs: int, classes: int) -> Model:
    """Softmax regression: a single layer, its weights and biases zero at first, the same for every seed.

    Equation::

        logits = W x + b

    Args:
        inputs: values per example
        classes: logits per example

    Source: Bridle, 1990; TensorFlow 1's tutorial for MNIST
    """

    def init(key: Any) -> SoftmaxLayer:
        return SoftmaxLayer.make(inputs, classes)

    def apply(layer: SoftmaxLayer, inputs: Any) -> Any:
        return layer(inputs)

    return Model("softmax-layer", init, apply)
