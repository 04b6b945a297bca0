"""Recurrent layers: the products of the inputs at once, then one step after another by ``lax.scan``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from fallline.models.dropout import dropout as dropped
from fallline.models.pytorch.noise import Noise
from fallline.models.pytorch.registry import operator

Step = Callable[[Any, Any, Any, Any], Any]
"""(carried, products of the input, weights of the state, their bias) -> carried; its first entry is the output."""


def _lstm_step(carried: tuple[Any, Any], given: Any, weights: Any, bias: Any) -> tuple[Any, Any]:
    """Hochreiter and Schmidhuber, 1997, with the forget gate of Gers et al., 2000; gates in PyTorch's order i f g o."""
    h, c = carried
    i, f, g, o = jnp.split(given + h @ weights.T + bias, 4, -1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def _gru_step(carried: tuple[Any], given: Any, weights: Any, bias: Any) -> tuple[Any]:
    """Cho et al., 2014, as PyTorch has it: the reset gate acts after the product; gates in the order r z n."""
    (h,) = carried
    r_in, z_in, n_in = jnp.split(given, 3, -1)
    r_own, z_own, n_own = jnp.split(h @ weights.T + bias, 3, -1)
    r, z = jax.nn.sigmoid(r_in + r_own), jax.nn.sigmoid(z_in + z_own)
    n = jnp.tanh(n_in + r * n_own)
    return ((1 - z) * n + z * h,)


def _plain(activation: Callable[[Any], Any]) -> Step:
    return lambda carried, given, weights, bias: (activation(given + carried[0] @ weights.T + bias),)


def _layers(
    step: Step,
    x: Any,
    states: list[Any],
    params: list[Any],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
    noise: Noise,
) -> tuple[Any, ...]:
    """Outputs of the last layer, and what each state [layers x directions, batch, size] is at the end."""
    ways = 2 if bidirectional else 1
    own = len(params) // (num_layers * ways)
    if own != (4 if has_biases else 2):
        raise NotImplementedError("an LSTM with proj_size")
    x = x.swapaxes(0, 1) if batch_first else x
    ends: list[list[Any]] = [[] for _ in states]
    for layer in range(num_layers):
        if layer and train and dropout > 0:
            x = dropped(x, noise.at(layer).dropout_rate(dropout), noise.at(layer).key)
        outputs = []
        for way in range(ways):
            place = layer * ways + way
            w_in, w_own, *biases = params[place * own : (place + 1) * own]
            b_in, b_own = biases or (0.0, 0.0)
            given = x @ w_in.T + b_in

            def over(carried: Any, given: Any, w: Any = w_own, b: Any = b_own) -> tuple[Any, Any]:
                after = step(carried, given, w, b)
                return after, after[0]

            last, values = jax.lax.scan(over, tuple(state[place] for state in states), given, reverse=way == 1)
            outputs.append(values)
            for end, value in zip(ends, last, strict=True):
                end.append(value)
        x = outputs[0] if ways == 1 else jnp.concatenate(outputs, -1)
    return (x.swapaxes(0, 1) if batch_first else x, *(jnp.stack(end) for end in ends))


def _recurrence(name: str, step: Step, one_state: bool = True) -> None:
    """Register the operator of that name, whose cell has one state or takes a list of them."""

    @operator(name)
    def run(
        input: Any,
        hx: Any,
        params: list[Any],
        has_biases: bool,
        num_layers: int,
        dropout: float,
        train: bool,
        bidirectional: bool,
        batch_first: bool,
        noise: Noise,
    ) -> tuple[Any, ...]:
        states = [hx] if one_state else hx
        return _layers(
            step, input, states, params, has_biases, num_layers, dropout, train, bidirectional, batch_first, noise
        )


_recurrence("lstm.input", _lstm_step, one_state=False)
_recurrence("gru.input", _gru_step)
_recurrence("rnn_tanh.input", _plain(jnp.tanh))
_recurrence("rnn_relu.input", _plain(jax.nn.relu))
