"""Small programs of known work, timed when a device is calibrated: training steps like the engine's, and passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Exercise(NamedTuple):
    """``step`` of a state, run ``steps`` times a call; with ``loop`` they are a loop inside the program."""

    name: str
    state: Callable[[], Any]
    step: Callable[[Any], Any]
    steps: int
    loop: bool = True
    thin: bool = False

    def call(self, state: Any, steps: Any) -> Any:
        """``steps`` steps on; without a loop it is one."""
        return jax.lax.fori_loop(0, steps, lambda _, now: self.step(now), state) if self.loop else self.step(state)


def exercises() -> list[Exercise]:
    """Those of arrays that are worth the threads; loops of a few numbers are timed as tiny trainings."""
    return [_dense("dense-64", (784, 64, 10), 8), _dense("dense-256", (784, 256, 10), 32, adaptive=True),
            _dense("dense-512", (1024, 512, 10), 128), _dense("dense-1024", (2048, 1024, 10), 32, adaptive=True),
            _lanes("lanes-16", 16), _images("images-16", 16), _images("images-64", 64), _passes("passes"),
            _passes("exponentials", exponentials=True)]


def product(size: int) -> Exercise:
    """One square float32 product a step."""
    scale = 1.0 / size

    def step(state: Any) -> Any:
        left, right = state
        return left, (left @ right) * scale

    return Exercise(f"product-{size}", lambda: (jnp.ones((size, size)), jnp.ones((size, size))), step, 4)


def stream(size: int) -> Exercise:
    """One pass a step over ``size`` numbers: each is read and written."""
    return Exercise(f"stream-{size}", lambda: jnp.ones(size), lambda x: x * 1.0001 + 1.0, 4)


def _adaptive(weights: Any, gradient: Any, state: tuple[Any, Any]) -> tuple[Any, tuple[Any, Any]]:
    """Adam's step without its corrections: two averages, a root, a division."""
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, state[0], gradient)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, state[1], gradient)
    moved = jax.tree.map(lambda w, m, v: w - 1e-4 * m / (jnp.sqrt(v) + 1e-8), weights, first, second)
    return moved, (first, second)


def _dense(name: str, sizes: tuple[int, int, int], batch: int, adaptive: bool = False) -> Exercise:
    """A net with one hidden layer, batches gathered from bytes as the engine does."""
    inputs, hidden, classes = sizes

    def loss(weights: Any, x: Any, labels: Any) -> Any:
        logits = jax.nn.relu(x @ weights["in"].T + weights["bias"]) @ weights["out"].T
        return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1).mean()

    def step(state: Any) -> Any:
        weights, moments, data, at = state
        chosen = (at + jnp.arange(batch)) % len(data)
        x = data[chosen].astype(jnp.float32) / 255
        gradient = jax.grad(loss)(weights, x, chosen % classes)
        if adaptive:
            weights, moments = _adaptive(weights, gradient, moments)
        else:
            weights = jax.tree.map(lambda w, g: w - 1e-4 * g, weights, gradient)
        return weights, moments, data, at + 1

    def start() -> Any:
        weights = {"in": jnp.full((hidden, inputs), 0.01), "bias": jnp.zeros(hidden),
                   "out": jnp.full((classes, hidden), 0.01)}
        zeros = jax.tree.map(jnp.zeros_like, weights)
        return weights, (zeros, zeros) if adaptive else (), jnp.ones((500, inputs), jnp.uint8), jnp.int32(0)

    return Exercise(name, start, step, 20 if hidden < 500 else 2)


def _lanes(name: str, lanes: int) -> Exercise:
    """Lanes of a 784-10 softmax layer on one batch of a hundred: thin products side by side."""
    def loss(weights: Any, x: Any) -> Any:
        return jax.nn.logsumexp(x @ weights.T, axis=1).mean()

    def step(state: Any) -> Any:
        weights, trace, x = state
        trace = 0.9 * trace + jax.vmap(jax.grad(loss), (0, None))(weights, x)
        return weights - 1e-4 * trace, trace, x

    return Exercise(name, lambda: (jnp.full((lanes, 10, 784), 0.01), jnp.zeros((lanes, 10, 784)), jnp.ones((100, 784))),
                    step, 10, thin=True)


def _passes(name: str, exponentials: bool = False) -> Exercise:
    """Four passes a step over a million numbers that stay in the last cache, with an exponential each or without."""
    def step(xs: Any) -> Any:
        moved = [jnp.exp(-x) if exponentials else 0.5 * x + 1.0 for x in xs]
        return [*moved[1:], moved[0]]

    return Exercise(name, lambda: [jnp.full(2**18, 0.1 * place) for place in range(4)], step, 20)


def _images(name: str, batch: int) -> Exercise:
    """A convolution of 16 channels, relu and pooling, with their gradients, as the models of images have them."""
    from fallline.models.convolution import convolve_relu_pool

    def loss(weights: Any, x: Any) -> Any:
        x = convolve_relu_pool(x, weights["first"], weights["bias"])
        return convolve_relu_pool(x, weights["second"], weights["bias"]).mean()

    def step(state: Any) -> Any:
        weights, x = state
        gradient = jax.grad(loss)(weights, x)
        return jax.tree.map(lambda w, g: w - 1e-4 * g, weights, gradient), x

    def start() -> Any:
        weights = {"first": jnp.full((5, 5, 1, 32), 0.1), "second": jnp.full((5, 5, 32, 32), 0.01),
                   "bias": jnp.zeros(32)}
        return weights, jnp.ones((batch, 28, 28, 1))

    return Exercise(name, start, step, 1, loop=False)
