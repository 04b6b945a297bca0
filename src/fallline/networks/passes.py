"""A network on a batch: layer by layer, each term by term or, where there are many terms, as one matmul.

A deep network is computed neuron by neuron instead (walk.py).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fallline.networks.network import Network, Neuron, Term
from fallline.networks.walk import FUNCTIONS, walk

MANY_TERMS = 64
"""Terms of a layer from which one product of matrices compiles sooner and runs faster than the terms by themselves."""

MANY_LAYERS = 24
"""Layers from which a program with each written out takes XLA seconds to compile; 100 of them take half a minute."""

Values = dict[Any, Any]
"""What stands [batch] by name, and the neighbours of a layer [batch, names] by their names together."""


def forward(network: Network) -> Callable[[Any, Any, Any], Any]:
    """``f(weights [parameters], biases [neurons], inputs [batch, inputs])``: the outputs [batch, outputs].

    Weights are in the order of ``network.parameters``, biases in that of ``network.neurons``; a network with one
    output gives [batch].
    """
    parameter = {name: i for i, name in enumerate(network.parameters)}
    bias = {neuron.name: i for i, neuron in enumerate(network.neurons)}
    if len(network.layers) > MANY_LAYERS:
        return walk(network, parameter, bias)
    passes = [_pass_of(layer)(layer, parameter, bias) for layer in network.layers]

    def run(weights: Any, biases: Any, inputs: Any) -> Any:
        values = {name: inputs[..., i] for i, name in enumerate(network.inputs)} | {network.inputs: inputs}
        for change in passes:
            values |= change(weights, biases, values)
        if len(network.outputs) == 1:
            return values[network.outputs[0]]
        return jnp.stack([values[name] for name in network.outputs], axis=-1)

    return run


def _pass_of(layer: tuple[Neuron, ...]) -> Any:
    if _is_full(layer):
        return _full_pass
    return _matrix_pass if sum(len(neuron.terms) for neuron in layer) > MANY_TERMS else _term_pass


def _is_full(layer: tuple[Neuron, ...]) -> bool:
    """Whether every neuron has the same sources in the same order, each with its own parameter: a dense layer."""
    terms = [term for neuron in layer for term in neuron.terms]
    named = [term.parameter for term in terms]
    return (
        None not in named
        and len(set(named)) == len(named)
        and all(term.coefficient == 1 for term in terms)
        and len({tuple(term.sources for term in neuron.terms) for neuron in layer}) == 1
        and len({neuron.activation for neuron in layer}) == 1
    )


def _full_pass(layer: tuple[Neuron, ...], parameter: dict[str, int], bias: dict[str, int]) -> Any:
    """A dense layer: its monomials [batch, sources] times a matrix [neurons, sources], with one gradient for the
    matrix.
    """
    chosen = np.array([[parameter[str(term.parameter)] for term in neuron.terms] for neuron in layer])
    own = np.array([bias[neuron.name] for neuron in layer])
    sources = [term.sources for term in layer[0].terms]

    def run(weights: Any, biases: Any, values: Values) -> Values:
        like = next(iter(values.values()))
        seen = _seen(sources, values, like)
        matrix = _taken(weights, chosen.ravel()).reshape(chosen.shape)
        if chosen.size > MANY_TERMS:
            sums = seen @ matrix.T
        else:
            sums = (seen[..., None, :] * matrix).sum(-1)
        after = FUNCTIONS[layer[0].activation](sums + _taken(biases, own))
        names = tuple(neuron.name for neuron in layer)
        return {name: after[..., j] for j, name in enumerate(names)} | {names: after}

    return run


def _taken(values: Any, places: np.ndarray) -> Any:
    """``values[places]``; contiguous places as a slice, whose gradient is not a scatter."""
    if np.array_equal(places, np.arange(places[0], places[0] + len(places))):
        return jax.lax.slice_in_dim(values, int(places[0]), int(places[0]) + len(places))
    return values[places]


def _term_pass(layer: tuple[Neuron, ...], parameter: dict[str, int], bias: dict[str, int]) -> Any:
    """Every term by itself, so that a small network becomes one loop over lanes and examples."""

    def run(weights: Any, biases: Any, values: Values) -> Values:
        found = {}
        for neuron in layer:
            total = biases[bias[neuron.name]]
            for term in neuron.terms:
                part = _monomial(term, values)
                if term.parameter is not None:
                    part = part * weights[parameter[term.parameter]]
                total = total + (part if term.coefficient == 1 else term.coefficient * part)
            like = next(iter(values.values()))
            found[neuron.name] = jnp.broadcast_to(FUNCTIONS[neuron.activation](total), like.shape)
        return found

    return run


def _matrix_pass(layer: tuple[Neuron, ...], parameter: dict[str, int], bias: dict[str, int]) -> Any:
    """The layer's distinct monomials [batch, monomials] times a matrix [monomials, neurons] of its parameters."""
    monomials = list(dict.fromkeys(term.sources for neuron in layer for term in neuron.terms))
    row = {sources: i for i, sources in enumerate(monomials)}
    places = [(row[term.sources], column, term) for column, neuron in enumerate(layer) for term in neuron.terms]
    fixed = np.zeros((len(monomials), len(layer)))
    for i, j, term in places:
        fixed[i, j] += term.coefficient if term.parameter is None else 0.0
    learnt = [(i, j, term) for i, j, term in places if term.parameter is not None]
    rows, columns = (np.array([place[axis] for place in learnt], np.int32) for axis in (0, 1))
    chosen = np.array([parameter[str(term.parameter)] for _, _, term in learnt], np.int32)
    factors = np.array([term.coefficient for _, _, term in learnt])
    own = np.array([bias[neuron.name] for neuron in layer])

    def run(weights: Any, biases: Any, values: Values) -> Values:
        like = next(iter(values.values()))
        seen = _seen(monomials, values, like)
        matrix = jnp.asarray(fixed, biases.dtype)
        if learnt:
            matrix = matrix.at[rows, columns].add(factors.astype(biases.dtype) * weights[chosen])
        sums = seen @ matrix + biases[own]
        return {neuron.name: FUNCTIONS[neuron.activation](sums[..., j]) for j, neuron in enumerate(layer)}

    return run


def _seen(monomials: Sequence[tuple[tuple[str, int], ...]], values: Values, like: Any) -> Any:
    """The monomials [batch, monomials]: the previous layer itself, where they are exactly its neurons."""
    names = tuple(monomial[0][0] if len(monomial) == 1 and monomial[0][1] == 1 else "" for monomial in monomials)
    return (
        values[names]
        if names in values
        else jnp.stack([_power_of(monomial, values, like) for monomial in monomials], axis=-1)
    )


def _power_of(sources: tuple[tuple[str, int], ...], values: Values, like: Any) -> Any:
    return jnp.broadcast_to(_monomial(Term(1.0, None, sources), values), like.shape)


def _monomial(term: Term, values: Values) -> Any:
    """The product of a term's sources with their powers; 1 where it has none."""
    factors = [values[name] if power == 1 else jax.lax.integer_pow(values[name], power) for name, power in term.sources]
    return reduce(operator.mul, factors) if factors else 1.0
