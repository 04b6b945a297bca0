"""Layers: dense ones, convolutions, and batches as images.

The built-in models are named tuples of arrays, which are pytrees of JAX; equinox, for the models of users, takes a
tenth of a second to import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fallline.later import jax
from fallline.models.convolution import convolve, convolve_relu_pool

if TYPE_CHECKING:
    from jaxtyping import Array, Float


CACHED_WEIGHTS = 1_000_000
"""Weights of a dense layer up to which its outputs are computed with the batch as their last dimension. On a CPU a
softmax over few classes then runs along the batch: the evaluation of a 784-10 layer takes 5/6 of the time, and
784-256-10 trains in 9/10. A larger layer (3136-1024, batch 50) takes 7/5 of the time so (jax 0.10.2, two cores)."""


class Dense(NamedTuple):
    """``weights`` x + ``biases`` of each row x of a batch."""

    weights: Float[Array, "outputs inputs"]
    biases: Float[Array, " outputs"]

    def __call__(self, x: Float[Array, "batch inputs"]) -> Float[Array, "batch outputs"]:
        if self.weights.size > CACHED_WEIGHTS:
            return x @ self.weights.T + self.biases[None, :]
        return (self.weights @ x.T + self.biases[:, None]).T


class Convolution(NamedTuple):
    """A convolution, ``biases`` and relu of images x [batch, height, width, in]; ``padding`` as in ``convolve``."""

    kernel: Float[Array, "rows columns inputs outputs"]
    biases: Float[Array, " outputs"]

    def __call__(
        self, x: Float[Array, "batch height width inputs"], padding: str = "SAME"
    ) -> Float[Array, "batch rows_out columns_out outputs"]:
        return jax.nn.relu(convolve(x, self.kernel, padding) + self.biases[None, None, None, :])

    def pooled(
        self, x: Float[Array, "batch height width inputs"], padding: str = "SAME"
    ) -> Float[Array, "batch rows_out columns_out outputs"]:
        """The same with 2 x 2 max pooling, as one operation."""
        return convolve_relu_pool(x, self.kernel, self.biases, padding)


def as_images(inputs: Float[Array, "batch ..."]) -> Float[Array, "batch 28 28 1"]:
    """Images of one channel, also from [batch, 28, 28] or [batch, 784]."""
    return inputs.reshape(inputs.shape[0], 28, 28, 1)
