"""What nets are put together of: dense layers, convolutions, and batches as images.

Nets are named tuples of arrays, which JAX takes as they are; equinox serves the nets of users, and takes a tenth of a
second to import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from jax.nn import relu

from fallline.models.convolution import convolve, convolve_relu_pool

if TYPE_CHECKING:
    from jaxtyping import Array, Float


CACHED_WEIGHTS = 1_000_000
"""Weights of a dense layer up to which its outputs are computed with the batch as their last dimension. On a CPU a
softmax over few classes then runs along the batch: the evaluation of a 784-10 layer takes 5/6 of the time, and
784-256-10 trains in 9/10. A larger layer (3136-1024, batch 50) takes 7/5 of the time so (jax 0.10.2, two cores)."""


class Dense(NamedTuple):
    """``weights`` x + ``biases`` of each row of x [batch, inputs]."""

    weights: Float[Array, "outputs inputs"]
    biases: Float[Array, " outputs"]

    def __call__(self, x: Any) -> Any:
        if self.weights.size > CACHED_WEIGHTS:
            return x @ self.weights.T + self.biases
        return (self.weights @ x.T + self.biases[:, None]).T


class Convolution(NamedTuple):
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
