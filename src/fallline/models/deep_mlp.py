"""A multilayer perceptron of any depth, and a single linear layer: models for tables."""

from __future__ import annotations

from typing import Any, NamedTuple

from fallline.contracts import Model
from fallline.later import jax
from fallline.models.initializers import uniform_by_inputs
from fallline.models.layers import Dense

ACTIVATIONS = ("relu", "tanh", "gelu", "silu", "elu", "sigmoid")
"""Functions of ``jax.nn`` between layers."""


class DeepMlp(NamedTuple):
    """``hidden`` layers, each followed by the activation, then the ``output`` layer without one."""

    hidden: tuple[Dense, ...]
    output: Dense


def deep_mlp(inputs: int, width: int, depth: int, outputs: int, activation: str = "relu") -> Model:
    """A multilayer perceptron with ``depth`` hidden layers of equal width, initialised as PyTorch's ``nn.Linear``.

    Equation::

        h_0 = x, h_l = phi(W_l h_(l-1) + b_l), outputs = W h_depth + b

    Args:
        inputs: values per example, which are flattened
        width: units of each hidden layer
        depth: number of hidden layers; 0 is a linear model
        outputs: outputs per example
        activation: phi, one of ``ACTIVATIONS``

    Source: Rumelhart, Hinton and Williams, 1986
    """

    def init(key: Any) -> DeepMlp:
        sizes = [inputs, *[width] * depth]
        keys = jax.random.split(key, depth + 1)
        hidden = tuple(_linear(keys[layer], sizes[layer], width) for layer in range(depth))
        return DeepMlp(hidden, _linear(keys[depth], sizes[-1], outputs))

    def apply(net: DeepMlp, x: Any) -> Any:
        x = x.reshape(x.shape[0], -1)
        for layer in net.hidden:
            x = getattr(jax.nn, activation)(layer(x))
        return net.output(x)

    name = f"mlp-{inputs}-{'-'.join([str(width)] * depth + [str(outputs)])}" + (f"-{activation}" if depth else "")
    return Model(name, init, apply)


def _linear(key: Any, inputs: int, outputs: int) -> Dense:
    weights, biases = jax.random.split(key)
    return Dense(uniform_by_inputs(weights, (outputs, inputs), inputs), uniform_by_inputs(biases, (outputs,), inputs))
