"""A network as an ordinary model: everything else of the library works on it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fallline.contracts import Model
from fallline.errors import ModelError, UnknownName
from fallline.networks.meaning import parse
from fallline.networks.network import Network


@dataclass(frozen=True)
class NeuronModel(Model):
    """The model of a ``network``. Its weights are ``{"weights": [parameters], "biases": [neurons]}``."""

    network: Network | None = None


def neurons(
    text: str | Sequence[str] | Network,
    *,
    activation: str = "sigmoid",
    name: str = "",
    watch: Iterable[str] = (),
    initial_range: tuple[float, float] = (0.0, 1.0),
) -> NeuronModel:
    """A Model from a network's text, a line a neuron; NetworkError shows the place of what cannot be read.

    ``model.apply(weights, inputs [batch, inputs])`` gives [batch], or [batch, outputs] of several outputs; inputs are
    in the order of ``model.network.inputs``. Parameters and biases are initialised
    uniformly in ``initial_range``. ``watch`` names parameters, or ``bias_NEURON``, to record at every step.

    >>> neurons("xw = ap*xp + aq*xq").network.parameters
    ('ap', 'aq')
    """
    network = parse(str(text) if isinstance(text, Network) else text, activation)
    low, high = _between(initial_range)
    watched = _watched(network, (watch,) if isinstance(watch, str) else tuple(watch))
    run = None

    def init(key: Any) -> dict[str, Any]:
        import jax

        keys = jax.random.split(key)
        return {
            "weights": jax.random.uniform(keys[0], (len(network.parameters),), minval=low, maxval=high),
            "biases": jax.random.uniform(keys[1], (len(network.neurons),), minval=low, maxval=high),
        }

    def apply(weights: Mapping[str, Any], inputs: Any) -> Any:
        nonlocal run
        if inputs.shape[-1:] != (len(network.inputs),):
            raise ModelError(
                f"the network has {len(network.inputs)} inputs, {', '.join(network.inputs[:8])}"
                f"{', ...' if len(network.inputs) > 8 else ''}, and got examples of shape "
                f"{tuple(inputs.shape[1:])}"
            )
        if run is None:
            from fallline.networks.passes import forward

            run = forward(network)
        return run(weights["weights"], weights["biases"], inputs)

    def watch_them(weights: Mapping[str, Any]) -> dict[str, Any]:
        return {one: weights[array][place] for one, (array, place) in watched.items()}

    text = str(network)
    name = name or f"neurons-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    return NeuronModel(name, init, apply, watch_them if watched else None, text=text, network=network)


def learnt(network: Network, weights: Mapping[str, Any]) -> dict[str, float]:
    """The weights of a ``NeuronModel`` by name: each parameter, then ``bias_NEURON`` of each neuron."""
    names = (*network.parameters, *(f"bias_{neuron.name}" for neuron in network.neurons))
    values = (*weights["weights"], *weights["biases"])
    return {name: float(value) for name, value in zip(names, values, strict=True)}


def _between(initial_range: tuple[float, float]) -> tuple[float, float]:
    try:
        low, high = map(float, initial_range)
    except (TypeError, ValueError, OverflowError):
        low, high = math.nan, math.nan
    if not -math.inf < low <= high < math.inf:
        raise ModelError(f"initial_range must be two finite numbers, the lower first, got {initial_range!r}")
    return low, high


def _watched(network: Network, names: tuple[str, ...]) -> dict[str, tuple[str, int]]:
    """Where each watched name stands in the weights."""
    known = {name: ("weights", place) for place, name in enumerate(network.parameters)}
    known |= {f"bias_{neuron.name}": ("biases", place) for place, neuron in enumerate(network.neurons)}
    for name in names:
        if name not in known:
            raise UnknownName("parameter or bias", name, known, "watch")
    return {name: known[name] for name in names}
