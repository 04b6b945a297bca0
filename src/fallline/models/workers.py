"""The convnet of the Horovod reports, Keras' example for MNIST: two 3 x 3 convolutions, one pool, two dense layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fallline.contracts import Model
from fallline.later import jax, jnp
from fallline.models.dropout import dropout
from fallline.models.dropout import dropout_rate as dropout_hyperparameter
from fallline.models.initializers import glorot_uniform
from fallline.models.layers import Convolution, Dense, as_images

if TYPE_CHECKING:
    from jaxtyping import Array, Float


class WorkersNet(NamedTuple):
    """3x3x32 relu, 3x3x64 relu, pool, dropout, dense 128 relu, dropout, dense 10: 1,199,882 weights.

    The convolutions have no padding (28 - 26 - 24). Initial weights are Glorot's uniform ones, biases are zero.
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

    def __call__(
        self, images: Float[Array, "batch ..."], conv_dropout_rate: Any = 0.25, dropout_rate: Any = 0.5, key: Any = None
    ) -> Float[Array, "batch 10"]:
        """Logits of ``images`` [batch, 28, 28, 1] or [batch, 784]; nothing is dropped without a key."""
        early, late = (None, None) if key is None else jax.random.split(key)
        x = self.second.pooled(self.first(as_images(images), "VALID"), "VALID")
        x = dropout(x, conv_dropout_rate, early)
        x = jax.nn.relu(self.hidden(x.reshape(x.shape[0], -1)))
        return self.output(dropout(x, dropout_rate, late))


def workers_convnet(conv_dropout_rate: float = 0.25, dropout_rate: float = 0.5) -> Model:
    """The convnet of the Horovod reports, Keras' example for MNIST: 1,199,882 parameters.

    Equation::

        3x3x32 relu, 3x3x64 relu, pool, dropout, dense 128 relu, dropout, dense 10

    Args:
        conv_dropout_rate: default of the hyperparameter ``conv_dropout_rate``, of the pooled images; 0.25 as published
        dropout_rate: default of the hyperparameter ``dropout_rate``, of the hidden layer; 0.5 as published

    Source: Keras' example mnist_cnn; Sergeev and Del Balso, 2018
    """
    return Model(
        "workers-convnet",
        WorkersNet.make,
        forward=_forward,
        hyperparameters=(
            dropout_hyperparameter(conv_dropout_rate, "conv_dropout_rate"),
            dropout_hyperparameter(dropout_rate),
        ),
        looped=False,
    )


def _forward(net: WorkersNet, state: Any, inputs: Any, key: Any, hyperparameters: Any) -> tuple[Any, Any]:
    return net(inputs, hyperparameters["conv_dropout_rate"], hyperparameters["dropout_rate"], key), state


def _convolution(key: Any, inputs: int, outputs: int) -> Convolution:
    return Convolution(glorot_uniform(key, (3, 3, inputs, outputs), 9 * inputs, 9 * outputs), jnp.zeros(outputs))


def _linear(key: Any, inputs: int, outputs: int) -> Dense:
    return Dense(glorot_uniform(key, (outputs, inputs), inputs, outputs), jnp.zeros(outputs))
