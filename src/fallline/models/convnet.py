"""The convnet of TensorFlow 1's tutorial for MNIST: two 5 x 5 convolutions, two pools, two dense layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fallline.contracts import Model
from fallline.later import jax, jnp
from fallline.models.dropout import dropout
from fallline.models.dropout import dropout_rate as dropout_hyperparameter
from fallline.models.initializers import truncated_normal
from fallline.models.layers import Convolution, Dense, as_images

if TYPE_CHECKING:
    from jaxtyping import Array, Float


class ConvNet(NamedTuple):
    """5x5x32 relu, pool, 5x5x64 relu, pool, dense 1024 relu, dropout, dense 10: 3,274,634 weights.

    Initial weights are drawn from a normal distribution of standard deviation 0.1, truncated at 0.2; biases are 0.1.
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

    def __call__(
        self, images: Float[Array, "batch ..."], dropout_rate: Any = 0.5, key: Any = None
    ) -> Float[Array, "batch 10"]:
        """Logits of ``images`` [batch, 28, 28, 1] or [batch, 784]; nothing is dropped without a key."""
        x = self.second.pooled(self.first.pooled(as_images(images)))
        x = jax.nn.relu(self.hidden(x.reshape(x.shape[0], -1)))
        return self.output(dropout(x, dropout_rate, key))


def convnet(dropout_rate: float = 0.5) -> Model:
    """The convnet of TensorFlow 1's tutorial for MNIST: 3,274,634 parameters.

    Equation::

        5x5x32 relu, pool, 5x5x64 relu, pool, dense 1024 relu, dropout, dense 10

    Args:
        dropout_rate: default of the hyperparameter ``dropout_rate``; 0.5 as published

    Source: TensorFlow 1's tutorial "Deep MNIST for experts"
    """
    hyperparameters = (dropout_hyperparameter(dropout_rate),)
    return Model("convnet", ConvNet.make, forward=_forward, hyperparameters=hyperparameters, looped=False)


def _forward(net: ConvNet, state: Any, inputs: Any, key: Any, hyperparameters: Any) -> tuple[Any, Any]:
    return net(inputs, hyperparameters["dropout_rate"], key), state


def _convolution(key: Any, inputs: int, outputs: int) -> Convolution:
    return Convolution(truncated_normal(key, (5, 5, inputs, outputs), 0.1), jnp.full(outputs, 0.1))


def _linear(key: Any, inputs: int, outputs: int) -> Dense:
    return Dense(truncated_normal(key, (outputs, inputs), 0.1), jnp.full(outputs, 0.1))
