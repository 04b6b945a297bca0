"""The convnet of the Horovod reports, Keras' example for MNIST: two 3 x 3 convolutions, one pool, two dense layers."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from fallline.contracts import Model
from fallline.models.dropout import dropout
from fallline.models.dropout import dropout_rate as rate_number
from fallline.models.initializers import glorot_uniform
from fallline.models.layers import Convolution, Dense, as_images


class WorkersNet(NamedTuple):
    """3x3x32 relu, 3x3x64 relu, pool, dropout, dense 128 relu, dropout, dense 10: 1,199,882 weights.

    The convolutions fill nothing up (28 - 26 - 24). Weights begin as Glorot's uniform, biases at zero.
    """

    first: Convolution
    second: Convolution
    hidden: Dense
    output: Dense

    @classmethod
    def make(cls, key: Any) -> WorkersNet:
        first, second, hidden, output = jax.random.split(key, 4)
        return cls(
            _convolution(first, 1, 32),
            _convolution(second, 32, 64),
            _linear(hidden, 12 * 12 * 64, 128),
            _linear(output, 128, 10),
        )

    def __call__(self, images: Any, conv_dropout_rate: Any = 0.25, dropout_rate: Any = 0.5, key: Any = None) -> Any:
        """Logits [batch, 10] of ``images`` [batch, 28, 28, 1] or [batch, 784]; nothing is dropped without a key."""
        early, late = (None, None) if key is None else jax.random.split(key)
        x = self.second.pooled(self.first(as_images(images), "VALID"), "VALID")
        x = dropout(x, conv_dropout_rate, early)
        x = jax.nn.relu(self.hidden(x.reshape(x.shape[0], -1)))
        return self.output(dropout(x, dropout_rate, late))


def workers_convnet() -> Model:
    """The model of a ``WorkersNet``. Its numbers are the ``conv_dropout_rate`` of the pooled images, 0.25 as published,
    and the ``dropout_rate`` of the last hidden layer, 0.5.
    """
    return Model(
        "workers-convnet",
        WorkersNet.make,
        forward=_forward,
        hyperparameters=(rate_number(0.25, "conv_dropout_rate"), rate_number(0.5)),
        looped=False,
    )


def _forward(net: WorkersNet, state: Any, inputs: Any, key: Any, hyperparameters: Any) -> tuple[Any, Any]:
    return net(inputs, hyperparameters["conv_dropout_rate"], hyperparameters["dropout_rate"], key), state


def _convolution(key: Any, inputs: int, outputs: int) -> Convolution:
    return Convolution(glorot_uniform(key, (3, 3, inputs, outputs), 9 * inputs, 9 * outputs), jnp.zeros(outputs))


def _linear(key: Any, inputs: int, outputs: int) -> Dense:
    return Dense(glorot_uniform(key, (outputs, inputs), inputs, outputs), jnp.zeros(outputs))
