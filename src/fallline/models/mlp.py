"""A multilayer perceptron with one hidden layer, initialised as PyTorch does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fallline.contracts import Model
from fallline.later import jax
from fallline.models.dropout import dropout
from fallline.models.dropout import dropout_rate as dropout_hyperparameter
from fallline.models.initializers import uniform_by_inputs
from fallline.models.layers import Dense

if TYPE_CHECKING:
    from jaxtyping import Array, Float


class Mlp(NamedTuple):
    """``inputs`` - ``hidden`` relu - ``classes`` logits, initialised as PyTorch's ``nn.Linear``."""

    hidden: Dense
    output: Dense

    @classmethod
    def make(cls, inputs: int, hidden: int, classes: int, key: Any) -> Mlp:
        first, second = jax.random.split(key)
        return cls(_linear(first, inputs, hidden), _linear(second, hidden, classes))

    def __call__(
        self, inputs: Float[Array, "batch ..."], dropout_rate: Any = 0.0, key: Any = None
    ) -> Float[Array, "batch classes"]:
        """Logits of ``inputs``, flattened; no hidden value is dropped without a key."""
        x = jax.nn.relu(self.hidden(inputs.reshape(inputs.shape[0], -1)))
        return self.output(dropout(x, dropout_rate, key))


def mlp(inputs: int, hidden: int, classes: int, dropout_rate: float | None = None) -> Model:
    """A multilayer perceptron with one hidden layer, initialised as PyTorch's ``nn.Linear``.

    Equation::

        logits = W2 dropout(max(W1 x + b1, 0)) + b2

    Args:
        inputs: values per example
        hidden: units of the hidden layer
        classes: logits per example
        dropout_rate: default of the hyperparameter ``dropout_rate``; None: the model has no dropout

    Source: Rumelhart, Hinton and Williams, 1986; dropout: Srivastava et al., 2014
    """

    def init(key: Any) -> Mlp:
        return Mlp.make(inputs, hidden, classes, key)

    def apply(net: Mlp, inputs: Any) -> Any:
        return net(inputs)

    def forward(net: Mlp, state: Any, inputs: Any, key: Any, hyperparameters: Any) -> tuple[Any, Any]:
        return net(inputs, hyperparameters["dropout_rate"], key), state

    name = f"dense-{inputs}-{hidden}-{classes}"
    if dropout_rate is None:
        return Model(name, init, apply)
    return Model(name, init, forward=forward, hyperparameters=(dropout_hyperparameter(dropout_rate),))


def _linear(key: Any, inputs: int, outputs: int) -> Dense:
    weights, biases = jax.random.split(key)
    return Dense(uniform_by_inputs(weights, (outputs, inputs), inputs), uniform_by_inputs(biases, (outputs,), inputs))
