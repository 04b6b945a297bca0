"""A net of one hidden layer, as PyTorch makes it."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax

from fallline.contracts import Model
from fallline.models.dropout import dropout
from fallline.models.dropout import dropout_rate as rate_number
from fallline.models.initializers import uniform_by_inputs
from fallline.models.layers import Dense


class DenseNet(NamedTuple):
    """``inputs`` - ``hidden`` relu - ``classes`` logits, begun as PyTorch's ``nn.Linear`` begins."""

    hidden: Dense
    output: Dense

    @classmethod
    def make(cls, inputs: int, hidden: int, classes: int, key: Any) -> DenseNet:
        first, second = jax.random.split(key)
        return cls(_linear(first, inputs, hidden), _linear(second, hidden, classes))

    def __call__(self, inputs: Any, dropout_rate: Any = 0.0, key: Any = None) -> Any:
        """Logits [batch, classes] of ``inputs`` [batch, ...], flattened; no hidden value is dropped without a key."""
        x = jax.nn.relu(self.hidden(inputs.reshape(inputs.shape[0], -1)))
        return self.output(dropout(x, dropout_rate, key))


def dense_net(inputs: int, hidden: int, classes: int, dropout_rate: float | None = None) -> Model:
    """The model of a ``DenseNet``; with a ``dropout_rate``, the rate is a number of the recipe with that default."""

    def init(key: Any) -> DenseNet:
        return DenseNet.make(inputs, hidden, classes, key)

    def apply(net: DenseNet, inputs: Any) -> Any:
        return net(inputs)

    def forward(net: DenseNet, state: Any, inputs: Any, key: Any, hyperparameters: Any) -> tuple[Any, Any]:
        return net(inputs, hyperparameters["dropout_rate"], key), state

    name = f"dense-{inputs}-{hidden}-{classes}"
    if dropout_rate is None:
        return Model(name, init, apply)
    return Model(name, init, forward=forward, hyperparameters=(rate_number(dropout_rate),))


def _linear(key: Any, inputs: int, outputs: int) -> Dense:
    weights, biases = jax.random.split(key)
    return Dense(uniform_by_inputs(weights, (outputs, inputs), inputs), uniform_by_inputs(biases, (outputs,), inputs))
