"""Small programs that are timed to calibrate a device: training steps like the engine's, and passes over memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Exercise(NamedTuple):
    """``step`` of a state, run ``steps`` times per call in a loop inside the program. ``state`` makes numpy arrays,
    which need no program of their own.
    """

    name: str
    state: Callable[[], Any]
    step: Callable[[Any], Any]
    steps: int
    thin: bool = False

    def call(self, state: Any, steps: Any) -> Any:
        """The state after ``steps`` steps."""
        return jax.lax.fori_loop(0, steps, lambda _, now: self.step(now), state)


def exercises() -> list[Exercise]:
    """One or two for each rate that is fitted: matmuls in training steps, passes over memory, small loops."""
    return [
        _dense(),
        _lanes(16),
        _passes("passes"),
        _passes("exponentials", exponentials=True),
        _small("loop"),
        _small("curved loop", curved=True),
    ]


def product(size: int) -> Exercise:
    """One square float32 matmul per step."""
    scale = np.float32(1 / size)

    def step(state: Any) -> Any:
        left, right = state
        return left, (left @ right) * scale

    return Exercise(f"product-{size}", lambda: (_ones(size, size), _ones(size, size)), step, 1)


def stream(size: int) -> Exercise:
    """One pass per step over ``size`` numbers: each is read and written."""
    return Exercise(f"stream-{size}", lambda: _ones(size), lambda x: x * 1.0001 + 1.0, 2)


def arrays(count: int) -> Exercise:
    """A step with almost no work on ``count`` arrays: its time is that of the call."""
    return Exercise(f"arrays-{count}", lambda: [_ones(4) for _ in range(count)], lambda xs: [x + 1.0 for x in xs], 1)


def _ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


def _dense() -> Exercise:
    """A net 784-256-10 under momentum on batches of 32: matmuls of a few rows, and passes over weights."""
    inputs, hidden, classes, batch = 784, 256, 10, 32

    def loss(weights: Any, x: Any) -> Any:
        return jax.nn.logsumexp(jnp.maximum(x @ weights[0].T, 0) @ weights[1].T, axis=1).mean()

    def step(state: Any) -> Any:
        weights, trace, x = state
        gradient = jax.grad(loss)(weights, x)
        trace = [0.9 * m + g for m, g in zip(trace, gradient, strict=True)]
        return [w - 1e-4 * m for w, m in zip(weights, trace, strict=True)], trace, x

    def start() -> Any:
        weights = [0.01 * _ones(hidden, inputs), 0.01 * _ones(classes, hidden)]
        return weights, [0 * part for part in weights], _ones(batch, inputs)

    return Exercise("dense-256", start, step, 4)


def _lanes(lanes: int) -> Exercise:
    """Lanes of a 784-10 softmax layer on one batch of a hundred: many small matmuls."""

    def loss(weights: Any, x: Any) -> Any:
        return jax.nn.logsumexp(x @ weights.T, axis=1).mean()

    def step(state: Any) -> Any:
        weights, trace, x = state
        trace = 0.9 * trace + jax.vmap(jax.grad(loss), (0, None))(weights, x)
        return weights - 1e-4 * trace, trace, x

    def start() -> Any:
        return 0.01 * _ones(lanes, 10, 784), 0 * _ones(lanes, 10, 784), _ones(100, 784)

    return Exercise(f"lanes-{lanes}", start, step, 5, thin=True)


def _passes(name: str, exponentials: bool = False) -> Exercise:
    """Four passes per step over a million numbers that stay in the last-level cache, with or without an exponential
    each.
    """

    def step(xs: Any) -> Any:
        moved = [jnp.exp(-x) if exponentials else 0.5 * x + 1.0 for x in xs]
        return [*moved[1:], moved[0]]

    return Exercise(name, lambda: [0.1 * number * _ones(2**18) for number in range(4)], step, 4)


def _small(name: str, curved: bool = False) -> Exercise:
    """A 4-3 layer of nine lanes with momentum, with sigmoids where it is ``curved``: on a CPU, XLA makes one native
    function of the loop.
    """

    def loss(weights: Any, x: Any) -> Any:
        sums = (x[None, :, None, :] * weights[:, None]).sum(-1)
        return (((jax.nn.sigmoid(sums) if curved else sums) - 0.2) ** 2).sum()

    def step(state: Any) -> Any:
        weights, trace, x = state
        trace = 0.9 * trace + jax.grad(loss)(weights, x)
        return weights - 1e-4 * trace, trace, x

    return Exercise(name, lambda: (0.1 * _ones(9, 3, 4), 0 * _ones(9, 3, 4), _ones(8, 4)), step, 300, thin=True)
