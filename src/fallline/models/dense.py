"""A net of one hidden layer, as PyTorch makes it."""

from __future__ import annotations

from typing import Any

from fallline.contracts import Model
from fallline.models.beginning import uniform_by_inputs
from fallline.models.dropout import dropout
from fallline.models.dropout import dropout_rate as rate_number
from fallline.models.layers import Layer, dense

Weights = dict[str, Layer]


def dense_net(inputs: int, hidden: int, classes: int, dropout_rate: float | None = None) -> Model:
    """``inputs`` - ``hidden`` relu - ``classes`` logits; inputs [batch, ...] are flattened.

    Weights [outputs, inputs] and biases begin as those of PyTorch's ``nn.Linear``. With a ``dropout_rate`` the hidden
    values are dropped, and the rate is a number of the recipe with that default.
    """

    def init(key: Any) -> Weights:
        import jax

        first, second = jax.random.split(key)
        return {"hidden": _linear(first, inputs, hidden), "output": _linear(second, hidden, classes)}

    def values(weights: Weights, inputs: Any) -> Any:
        import jax

        return jax.nn.relu(dense(weights["hidden"], inputs.reshape(inputs.shape[0], -1)))

    def apply(weights: Weights, inputs: Any) -> Any:
        return dense(weights["output"], values(weights, inputs))

    def forward(weights: Weights, state: Any, inputs: Any, key: Any, numbers: Any) -> tuple[Any, Any]:
        kept = dropout(values(weights, inputs), numbers["dropout_rate"], key)
        return dense(weights["output"], kept), state

    name = f"dense-{inputs}-{hidden}-{classes}"
    if dropout_rate is None:
        return Model(name, init, apply)
    return Model(name, init, forward=forward, numbers=(rate_number(dropout_rate),))


def _linear(key: Any, inputs: int, outputs: int) -> Layer:
    import jax

    weights, biases = jax.random.split(key)
    return {"W": uniform_by_inputs(weights, (outputs, inputs), inputs),
            "b": uniform_by_inputs(biases, (outputs,), inputs)}
