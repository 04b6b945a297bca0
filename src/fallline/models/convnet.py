"""The convnet of TensorFlow 1's tutorial for MNIST: two 5 x 5 convolutions, two pools, two dense layers."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from fallline.contracts import Model
from fallline.models.dropout import dropout
from fallline.models.dropout import dropout_rate as rate_number
from fallline.models.initializers import truncated_normal
from fallline.models.layers import Convolution, Dense, as_images


class ConvNet(NamedTuple):
    """5x5x32 relu, pool, 5x5x64 relu, pool, dense 1024 relu, dropout, dense 10: 3,274,634 weights.

    Weights begin as a normal of deviation 0.1 cut at 0.2, biases at 0.1.
    """

    first: Convolution
    second: Convolution
    hidden: Dense
    output: Dense

    @classmethod
    def make(cls, key: Any) -> ConvNet:
        first, second, hidden, output = jax.random.split(key, 4)
        return cls(
            _convolution(first, 1, 32),
            _convolution(second, 32, 64),
            _linear(hidden, 7 * 7 * 64, 1024),
            _linear(output, 1024, 10),
        )

    def __call__(self, images: Any, dropout_rate: Any = 0.5, key: Any = None) -> Any:
        """Logits [batch, 10] of ``images`` [batch, 28, 28, 1] or [batch, 784]; nothing is dropped without a key."""
        x = self.second.pooled(self.first.pooled(as_images(images)))
        x = jax.nn.relu(self.hidden(x.reshape(x.shape[0], -1)))
        return self.output(dropout(x, dropout_rate, key))


def convnet() -> Model:
    """The model of a ``ConvNet``. Its number is the ``dropout_rate``, 0.5 as published."""
    return Model("convnet", ConvNet.make, forward=_forward, hyperparameters=(rate_number(0.5),), looped=False)


def _forward(net: ConvNet, state: Any, inputs: Any, key: Any, hyperparameters: Any) -> tuple[Any, Any]:
    return net(inputs, hyperparameters["dropout_rate"], key), state


def _convolution(key: Any, inputs: int, outputs: int) -> Convolution:
    return Convolution(truncated_normal(key, (5, 5, inputs, outputs), 0.1), jnp.full(outputs, 0.1))


def _linear(key: Any, inputs: int, outputs: int) -> Dense:
    return Dense(truncated_normal(key, (outputs, inputs), 0.1), jnp.full(outputs, 0.1))
