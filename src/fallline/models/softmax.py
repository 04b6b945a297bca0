"""A single layer: logits = W x + b."""

from __future__ import annotations

from typing import Any

from fallline.contracts import Model


def softmax_layer(inputs: int, classes: int) -> Model:
    """One dense layer [classes, inputs] whose outputs are logits; weights and biases start at zero."""

    def init(key: Any) -> dict[str, Any]:
        import jax.numpy as jnp

        return {"W": jnp.zeros((classes, inputs)), "b": jnp.zeros(classes)}

    def apply(weights: dict[str, Any], inputs: Any) -> Any:
        return inputs @ weights["W"].T + weights["b"]

    return Model("softmax-layer", init, apply)
