"""A deep network as a loop over its neurons: one small step, compiled once, whatever the depth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fallline.networks.network import ACTIVATIONS, Network

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "identity": lambda sums: sums,
}


class Steps(NamedTuple):
    """One row per neuron, in an order in which they can be computed; terms and factors padded to the largest number.

    ``factors`` [neurons, terms, powers] are indices of values, ``coefficients`` and ``parameters`` [neurons, terms]
    multiply their product, ``biases`` and ``activations`` [neurons].
    """

    factors: Any
    coefficients: Any
    parameters: Any
    biases: Any
    activations: Any


def walk(network: Network, parameter: dict[str, int], bias: dict[str, int]) -> Callable[[Any, Any, Any], Any]:
    """``f(weights, biases, inputs [batch, inputs])`` as ``passes.forward`` returns it.

    The values are in one array: the inputs, a one that pads products, then each neuron as it is computed. A term
    without a parameter uses the one that is appended to the weights.
    """
    steps, place = _steps(network, parameter, bias)
    used = sorted({neuron.activation for neuron in network.neurons}, key=ACTIVATIONS.index)
    steps = steps._replace(activations=np.array([used.index(neuron.activation) for neuron in network.ordered]))
    outputs = np.array([place[name] for name in network.outputs])
    first = len(network.inputs) + 1

    def run(weights: Any, biases: Any, inputs: Any) -> Any:
        ones = jnp.ones((*inputs.shape[:-1], 1), inputs.dtype)
        later = jnp.zeros((*inputs.shape[:-1], len(network.neurons)), inputs.dtype)
        weights = jnp.concatenate([weights, jnp.ones(1, weights.dtype)])

        def next_neuron(values: Any, row: tuple[Any, Steps]) -> tuple[Any, None]:
            at, step = row
            product = values[..., step.factors[:, 0]]
            for power in range(1, step.factors.shape[1]):
                product = product * values[..., step.factors[:, power]]
            total = (product * (step.coefficients.astype(inputs.dtype) * weights[step.parameters])).sum(-1)
            total = total + biases[step.biases]
            after = jax.lax.switch(step.activations, [FUNCTIONS[name] for name in used], total)
            return jax.lax.dynamic_update_slice_in_dim(values, after[..., None], at, axis=-1), None

        places = np.arange(first, first + len(network.neurons))
        values, _ = jax.lax.scan(
            next_neuron, jnp.concatenate([inputs, ones, later], axis=-1), jax.tree.map(jnp.asarray, (places, steps))
        )
        return values[..., outputs[0]] if len(outputs) == 1 else values[..., outputs]

    return run


def _steps(network: Network, parameter: dict[str, int], bias: dict[str, int]) -> tuple[Steps, dict[str, int]]:
    """The rows, without activations, and the index of each name among the values."""
    one = len(network.inputs)
    order = network.ordered
    place = {name: i for i, name in enumerate(network.inputs)}
    place |= {neuron.name: one + 1 + i for i, neuron in enumerate(order)}
    terms = max(len(neuron.terms) for neuron in order)
    powers = max((sum(power for _, power in term.sources) for neuron in order for term in neuron.terms), default=0)
    factors = np.full((len(order), terms, max(1, powers)), one)
    coefficients = np.zeros((len(order), terms))
    parameters = np.full((len(order), terms), len(network.parameters))
    for i, neuron in enumerate(order):
        for j, term in enumerate(neuron.terms):
            own = [place[name] for name, power in term.sources for _ in range(power)]
            factors[i, j, : len(own)] = own
            coefficients[i, j] = term.coefficient
            if term.parameter is not None:
                parameters[i, j] = parameter[term.parameter]
    own = np.array([bias[neuron.name] for neuron in order])
    return Steps(factors, coefficients, parameters, own, own), place
