"""What nets are put together of: dense layers, convolutions, and the first look at a batch of images."""

from __future__ import annotations

from typing import Any

import equinox as eqx
from jax.nn import relu
from jaxtyping import Array, Float

from fallline.models.convolution import convolve, convolve_relu_pool


class Dense(eqx.Module):
    """``weights`` x + ``biases`` of each row of x [batch, inputs]."""

    weights: Float[Array, "outputs inputs"]
    biases: Float[Array, " outputs"]

    def __call__(self, x: Any) -> Any:
        return x @ self.weights.T + self.biases


class Convolution(eqx.Module):
    """A convolution, ``biases`` and relu of images x [batch, height, width, in]; ``padding`` as ``convolve`` has it."""

    kernel: Float[Array, "rows columns inputs outputs"]
    biases: Float[Array, " outputs"]

    def __call__(self, x: Any, padding: str = "SAME") -> Any:
        return relu(convolve(x, self.kernel, padding) + self.biases)

    def pooled(self, x: Any, padding: str = "SAME") -> Any:
        """The largest of each 2 x 2 pixels of that, as one operation."""
        return convolve_relu_pool(x, self.kernel, self.biases, padding)


def as_images(inputs: Any) -> Any:
    """Images of one channel [batch, 28, 28, 1], also from [batch, 28, 28] or [batch, 784]."""
    return inputs.reshape(inputs.shape[0], 28, 28, 1)
