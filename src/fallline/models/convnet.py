"""The convnet of TensorFlow 1's tutorial for MNIST: two 5 x 5 convolutions, two pools, two dense layers."""

from __future__ import annotations

from typing import Any

from fallline.contracts import Model
from fallline.models.beginning import truncated_normal
from fallline.models.convolution import convolve_relu_pool
from fallline.models.dropout import dropout, dropout_rate
from fallline.models.layers import Layer, as_images, dense

_SHAPES = {"first": (5, 5, 1, 32), "second": (5, 5, 32, 64), "hidden": (1024, 7 * 7 * 64), "output": (10, 1024)}


def convnet() -> Model:
    """5x5x32 relu, pool, 5x5x64 relu, pool, dense 1024 relu, dropout, dense 10: 3,274,634 weights.

    Inputs are images of 28 x 28 as [batch, 28, 28, 1] or [batch, 784]; outputs are logits. Weights begin as a normal of
    deviation 0.1 cut at 0.2, biases at 0.1. Its number is the ``dropout_rate``, 0.5 as published.
    """
    return Model("convnet", _init, forward=_forward, numbers=(dropout_rate(0.5),), looped=False)


def _init(key: Any) -> dict[str, Layer]:
    import jax
    import jax.numpy as jnp

    def layer(key: Any, shape: tuple[int, ...]) -> Layer:
        outputs = shape[-1] if len(shape) == 4 else shape[0]
        return {"W": truncated_normal(key, shape, 0.1), "b": jnp.full(outputs, 0.1)}

    keys = jax.random.split(key, len(_SHAPES))
    return {name: layer(key, shape) for key, (name, shape) in zip(keys, _SHAPES.items(), strict=True)}


def _forward(weights: dict[str, Layer], state: Any, inputs: Any, key: Any, numbers: Any) -> tuple[Any, Any]:
    from jax.nn import relu

    x = as_images(inputs)
    for name in ("first", "second"):
        x = convolve_relu_pool(x, weights[name]["W"], weights[name]["b"])
    x = relu(dense(weights["hidden"], x.reshape(x.shape[0], -1)))
    return dense(weights["output"], dropout(x, numbers["dropout_rate"], key)), state
