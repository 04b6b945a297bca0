"""Backpropagation written out, one neuron at a time, in plain floats: to learn from, and to check others by."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fallline.errors import NetworkError, UnknownName
from fallline.networks.explanation import (
    BackwardRow,
    Explanation,
    GradientRow,
    NeuronRow,
    PathProduct,
    factor,
    number,
    target_name,
)
from fallline.networks.meaning import parse
from fallline.networks.network import Network, Neuron, Term

LOSSES = ("squared_error",)

Values = Mapping[str, float] | Sequence[float] | float
Factor = tuple[str, str, float]
"""A factor of a product: its name, its number as text, its value."""


def explain(
    network: Network | str | Sequence[str],
    example: Values,
    target: Values,
    values: Mapping[str, float],
    loss: str = "squared_error",
    *,
    learning_rate: float | None = None,
) -> Explanation:
    """The forward pass of one example and the gradient of its loss, every number with its formula.

    ``example`` holds a number for each input, ``target`` one for each output: by name, or in the network's order.
    ``values`` holds each parameter by its name and the bias of each neuron as ``bias_NEURON``. The loss is the sum over
    outputs of (output - target)^2. With ``learning_rate`` the values after a step of gradient descent are included. All
    is float64. The derivative of relu at 0 is 0, as in JAX. UnknownName and NetworkError say which number is missing,
    unknown or not finite.

    Source: D. E. Rumelhart, G. E. Hinton, R. J. Williams, Learning representations by back-propagating errors, 1986,
    equations 4 to 6; the chain rule extends them to terms with powers and to shared parameters.

    >>> explanation = explain("xo = identity(a*xp)", {"xp": 2}, 1, {"a": 3, "bias_xo": 0})
    >>> explanation.loss, explanation.gradients
    (25.0, {'a': 20.0, 'bias_xo': 10.0})
    """
    network = network if isinstance(network, Network) else parse(network)
    if loss not in LOSSES:
        raise UnknownName("loss", loss, LOSSES, "explain")
    names = _names_of(network)
    if not isinstance(values, Mapping):
        raise NetworkError(f"values must map each parameter and bias to a number, got {type(values).__name__}")
    trained = _by_name("values", names, values)
    inputs, targets = _by_name("example", network.inputs, example), _by_name("target", network.outputs, target)
    rate = None if learning_rate is None else _rate(learning_rate)
    known, order = trained | inputs, [neuron for layer in network.layers for neuron in layer]
    biases = {neuron.name: trained[f"bias_{neuron.name}"] for neuron in order}
    forward = tuple(_forward(neuron, known, biases) for neuron in order)
    errors = {name: known[name] - wanted for name, wanted in targets.items()}
    total = _finite(sum(_power(error, 2) for error in errors.values()), "the loss")
    backward, paths = _backward(order, forward, known, targets)
    parameters = tuple(_gradient(name, trained[name], paths[name], rate) for name in names)
    return Explanation(network, inputs, targets, forward, total, backward, parameters, rate)


def _forward(neuron: Neuron, known: dict[str, float], biases: Mapping[str, float]) -> NeuronRow:
    """The row of a neuron whose sources are known, and its value, which is then known too."""
    terms = tuple(_term(term, known) for term in neuron.terms)
    bias = biases[neuron.name]
    total = _finite(sum(term.value for term in terms) + bias, f"the sum of neuron {neuron.name}")
    known[neuron.name] = value = _ACTIVATIONS[neuron.activation](total)
    return NeuronRow(neuron.name, neuron.activation, terms, bias, total, value)


def _backward(
    order: list[Neuron], forward: tuple[NeuronRow, ...], known: Mapping[str, float], targets: Mapping[str, float]
) -> tuple[tuple[BackwardRow, ...], dict[str, list[PathProduct]]]:
    """The rows from the outputs back, and for each parameter and bias its paths to the loss.

    A neuron comes after all that read it: ``paths`` then holds everything that flows back into it.
    """
    paths: dict[str, list[PathProduct]] = {neuron.name: [] for neuron in order}
    of_trained: dict[str, list[PathProduct]] = {}
    for name, wanted in targets.items():
        error = PathProduct(
            f"2*({name} - {target_name(name, targets)})",
            f"2*({number(known[name])} - {factor(wanted)})",
            2 * (known[name] - wanted),
        )
        paths[name].append(error)
    rows = []
    for neuron, row in zip(reversed(order), reversed(forward), strict=True):
        value_gradient = _finite(sum(path.value for path in paths[neuron.name]), f"dL/d(value of {neuron.name})")
        formula, derivative = _derivative(row)
        sum_gradient = _finite(value_gradient * derivative, f"dL/d(sum of {neuron.name})")
        rows.append(
            BackwardRow(neuron.name, tuple(paths[neuron.name]), value_gradient, formula, derivative, sum_gradient)
        )
        flow = (f"d[{neuron.name}]", factor(sum_gradient), sum_gradient)
        for term in neuron.terms:
            for source, _ in term.sources:
                if source in paths:
                    paths[source].append(_product([flow, *_factors(term, known, without=source)]))
            if term.parameter is not None:
                path = _product([flow, *_factors(term, known, without=term.parameter)])
                of_trained.setdefault(term.parameter, []).append(path)
        of_trained[f"bias_{neuron.name}"] = [PathProduct(flow[0], number(sum_gradient), sum_gradient)]
    return tuple(rows), of_trained


def _gradient(name: str, value: float, paths: list[PathProduct], rate: float | None) -> GradientRow:
    gradient = _finite(sum(path.value for path in paths), f"the gradient of {name}")
    after = None if rate is None else _finite(value - rate * gradient, f"{name} after a step of {rate:g}")
    return GradientRow(name, value, tuple(paths), gradient, after)


def _term(term: Term, known: Mapping[str, float]) -> PathProduct:
    """A term of a sum, with its sign."""
    sign = "-" if math.copysign(1, term.coefficient) < 0 else ""
    size = _product(_factors(replace(term, coefficient=abs(term.coefficient)), known))
    return PathProduct(sign + term.factors, sign + size.numbers, -size.value if sign else size.value)


def _factors(term: Term, known: Mapping[str, float], without: str | None = None) -> list[Factor]:
    """The factors of a term; ``without`` a name, those of its derivative by it: of s^p they are p*s^(p-1)."""
    found: list[Factor] = []
    if term.coefficient != 1:
        found.append((factor(term.coefficient), factor(term.coefficient), term.coefficient))
    if term.parameter is not None and term.parameter != without:
        found.append((term.parameter, factor(known[term.parameter]), known[term.parameter]))
    for name, power in term.sources:
        left = power - (name == without)
        if 0 < left < power:
            found.append((str(power), str(power), float(power)))
        if left:
            told = "" if left == 1 else f"^{left}"
            found.append((name + told, factor(known[name]) + told, _power(known[name], left)))
    return found


def _product(factors: list[Factor]) -> PathProduct:
    names, numbers = ("*".join(one[place] for one in factors) or "1" for place in (0, 1))
    return PathProduct(names, numbers, _finite(math.prod(one[2] for one in factors), f"{names} = {numbers}"))


def _power(value: float, power: int) -> float:
    try:
        return value**power
    except OverflowError:
        return math.inf


def _sigmoid(total: float) -> float:
    small = math.exp(-abs(total))
    return (1.0 if total >= 0 else small) / (1 + small)


_ACTIVATIONS: dict[str, Callable[[float], float]] = {
    "sigmoid": _sigmoid,
    "tanh": math.tanh,
    "relu": lambda total: max(total, 0.0),
    "identity": lambda total: total,
}


def _derivative(row: NeuronRow) -> tuple[str, float]:
    """The derivative of the activation at the sum: its formula in numbers, and its value without cancellation."""
    total, value = number(row.sum), number(row.value)
    if row.activation == "sigmoid":
        small = math.exp(-abs(row.sum))
        derivative = small / (1 + small) ** 2
        formula = f"sigmoid({total})*sigmoid(-{total})" if value == "1" else f"{value}*(1 - {value})"
    elif row.activation == "tanh":
        small = math.exp(-2 * abs(row.sum))
        derivative = 4 * small / (1 + small) ** 2
        formula = f"1/cosh({total})^2" if value in ("1", "-1") else f"1 - {factor(row.value)}^2"
    elif row.activation == "relu":
        if row.sum == 0:
            return "0, taken where the sum = 0", 0.0
        return ("1, as the sum > 0", 1.0) if row.sum > 0 else ("0, as the sum < 0", 0.0)
    else:
        return "1", 1.0
    return f"{formula} = {number(derivative)}", derivative


def _names_of(network: Network) -> tuple[str, ...]:
    """The names of all trained values, the parameters before the biases."""
    return (*network.parameters, *(f"bias_{neuron.name}" for neuron in network.neurons))


def _by_name(what: str, names: tuple[str, ...], given: Any) -> dict[str, float]:
    """The numbers of ``given`` by name, each finite, none missing, none too many."""
    if isinstance(given, Mapping):
        known = set(names)
        for name in given:
            if name not in known:
                raise UnknownName(
                    {"example": "input", "target": "output"}.get(what, "parameter or bias"), name, names, what
                )
        missing = [name for name in names if name not in given]
        if missing:
            raise NetworkError(
                f"{what} must hold a number for each of {_listed(names)}; {_listed(missing)} "
                f"{'is' if len(missing) == 1 else 'are'} missing"
            )
        return {name: _number(given[name], f"{name} of {what}") for name in names}
    if isinstance(given, str | bytes | set | frozenset):
        raise NetworkError(f"{what} must be numbers by name, or in the order {_listed(names)}; got {given!r:.60}")
    try:
        row = list(given)
    except TypeError:
        row = [given]
    if len(row) != len(names):
        count = f"{len(names)} number{'s'[: len(names) != 1]}"
        raise NetworkError(f"{what} must hold {count}, in the order {_listed(names)}; got {len(row)}")
    return {name: _number(value, f"{name} of {what}") for name, value in zip(names, row, strict=True)}


def _number(value: Any, what: str) -> float:
    try:
        if isinstance(value, str | bytes | bytearray) or getattr(value, "ndim", 0):
            raise TypeError
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        raise NetworkError(f"{what} must be a number, got {value!r:.60}") from None
    if not math.isfinite(found):
        raise NetworkError(f"{what} must be finite, got {found}; a diverged trial has no values to explain")
    return found


def _rate(value: Any) -> float:
    rate = _number(value, "learning_rate")
    if rate <= 0:
        raise NetworkError(f"learning_rate must be larger than 0, got {rate:g}")
    return rate


def _finite(value: float, what: str) -> float:
    if not math.isfinite(value):
        raise NetworkError(f"{what} is too large for a float; give smaller values, or a smaller example")
    return value


def _listed(names: Iterable[str]) -> str:
    """The names, truncated where there are many."""
    every = list(names)
    return ", ".join(every[:8]) + (f" and {len(every) - 8} more" if len(every) > 8 else "")
