"""The convnet of the Horovod reports, Keras' example for MNIST: two 3 x 3 convolutions, one pool, two dense layers."""

from __future__ import annotations

from typing import Any

from fallline.contracts import Model
from fallline.models.beginning import glorot_uniform
from fallline.models.convolution import convolve, convolve_relu_pool
from fallline.models.dropout import dropout, dropout_rate
from fallline.models.layers import Layer, as_images, dense


def workers_convnet() -> Model:
    """3x3x32 relu, 3x3x64 relu, pool, dropout, dense 128 relu, dropout, dense 10: 1,199,882 weights.

    The convolutions fill nothing up (28 - 26 - 24). Inputs are images of 28 x 28 as [batch, 28, 28, 1] or [batch, 784];
    outputs are logits. Weights begin as Glorot's uniform, biases at zero. Numbers: ``conv_dropout_rate`` of the pooled
    images, 0.25 as published, and ``dropout_rate`` of the last hidden layer, 0.5.
    """
    return Model("workers-convnet", _init, forward=_forward,
                 numbers=(dropout_rate(0.25, "conv_dropout_rate"), dropout_rate(0.5)), looped=False)


def _init(key: Any) -> dict[str, Layer]:
    import jax
    import jax.numpy as jnp

    def kernel(key: Any, inputs: int, outputs: int) -> Layer:
        return {"W": glorot_uniform(key, (3, 3, inputs, outputs), 9 * inputs, 9 * outputs), "b": jnp.zeros(outputs)}

    def linear(key: Any, inputs: int, outputs: int) -> Layer:
        return {"W": glorot_uniform(key, (outputs, inputs), inputs, outputs), "b": jnp.zeros(outputs)}

    first, second, hidden, output = jax.random.split(key, 4)
    return {"first": kernel(first, 1, 32), "second": kernel(second, 32, 64),
            "hidden": linear(hidden, 12 * 12 * 64, 128), "output": linear(output, 128, 10)}


def _forward(weights: dict[str, Layer], state: Any, inputs: Any, key: Any, numbers: Any) -> tuple[Any, Any]:
    import jax
    from jax.nn import relu

    early, late = (None, None) if key is None else jax.random.split(key)
    x = as_images(inputs)
    x = relu(convolve(x, weights["first"]["W"], "VALID") + weights["first"]["b"])
    x = convolve_relu_pool(x, weights["second"]["W"], weights["second"]["b"], "VALID")
    x = dropout(x, numbers["conv_dropout_rate"], early)
    x = relu(dense(weights["hidden"], x.reshape(x.shape[0], -1)))
    return dense(weights["output"], dropout(x, numbers["dropout_rate"], late)), state
