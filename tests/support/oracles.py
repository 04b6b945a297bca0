"""The ten TensorFlow 1 update rules in float64 numpy, written from their equations and from nothing else.

``trajectory(RULES[name], x, gradient, steps, **hyperparameters)`` is what the tests hold fallline's rules against.
Nothing of fallline, JAX or optax is used here: x is the parameter, g its gradient, t = 1, 2, ... the step.
"""

from __future__ import annotations

import numpy as np


def trajectory(update, x, gradient, steps, **hyperparameters):
    """The weights after 0, 1, ..., ``steps`` updates, float64 [steps + 1, *x.shape]; ``gradient(x)`` gives g."""
    x = np.array(x, np.float64)
    memory, path = {}, [x]
    for t in range(1, steps + 1):
        x = update(x, np.asarray(gradient(x), np.float64), memory, t, **hyperparameters)
        path.append(x)
    return np.stack(path)


def gradient_descent(x, g, memory, t, learning_rate):
    return x - learning_rate * g


def momentum(x, g, memory, t, learning_rate, momentum=0.9):
    m = momentum * memory.get("m", 0.0) + g
    memory["m"] = m
    return x - learning_rate * m


def nesterov(x, g, memory, t, learning_rate, momentum=0.9):
    m = momentum * memory.get("m", 0.0) + g
    memory["m"] = m
    return x - learning_rate * (g + momentum * m)


def adagrad(x, g, memory, t, learning_rate, initial_accumulator=0.1):
    n = memory.get("n", initial_accumulator) + g**2
    memory["n"] = n
    return x - learning_rate * g / np.sqrt(n)


def adadelta(x, g, memory, t, learning_rate=0.001, decay=0.95, epsilon=1e-8):
    a = decay * memory.get("a", 0.0) + (1 - decay) * g**2
    d = memory.get("d", 0.0)
    u = np.sqrt(d + epsilon) / np.sqrt(a + epsilon) * g
    memory["a"], memory["d"] = a, decay * d + (1 - decay) * u**2
    return x - learning_rate * u


def adam(x, g, memory, t, learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-8):
    m = beta1 * memory.get("m", 0.0) + (1 - beta1) * g
    v = beta2 * memory.get("v", 0.0) + (1 - beta2) * g**2
    memory["m"], memory["v"] = m, v
    rate = learning_rate * np.sqrt(1 - beta2**t) / (1 - beta1**t)
    return x - rate * m / (np.sqrt(v) + epsilon)


def rmsprop(x, g, memory, t, learning_rate, decay=0.9, momentum=0.0, epsilon=1e-10, centered=0.0):
    s = decay * memory.get("s", 1.0) + (1 - decay) * g**2
    q = decay * memory.get("q", 0.0) + (1 - decay) * g
    inside = s - q**2 + epsilon if centered else s + epsilon
    b = momentum * memory.get("b", 0.0) + learning_rate * g / np.sqrt(inside)
    memory["s"], memory["q"], memory["b"] = s, q, b
    return x - b


def ftrl(
    x, g, memory, t, learning_rate, learning_rate_power=-0.5, initial_accumulator=0.1, l1=0.0, l2=0.0, l2_shrinkage=0.0
):
    p = learning_rate_power
    n = memory.get("n", np.full_like(x, initial_accumulator))
    new_n = n + g**2
    z = memory.get("z", 0.0) + g + 2 * l2_shrinkage * x - (new_n**-p - n**-p) / learning_rate * x
    memory["n"], memory["z"] = new_n, z
    moved = (np.sign(z) * l1 - z) / (new_n**-p / learning_rate + 2 * l2)
    return np.where(np.abs(z) > l1, moved, 0.0)


def proximal_gradient_descent(x, g, memory, t, learning_rate, l1=0.0, l2=0.0):
    v = x - learning_rate * g
    return np.sign(v) * np.maximum(np.abs(v) - learning_rate * l1, 0) / (1 + learning_rate * l2)


def proximal_adagrad(x, g, memory, t, learning_rate, initial_accumulator=0.1, l1=0.0, l2=0.0):
    n = memory.get("n", initial_accumulator) + g**2
    memory["n"] = n
    rate = learning_rate / np.sqrt(n)
    v = x - rate * g
    return np.sign(v) * np.maximum(np.abs(v) - rate * l1, 0) / (1 + rate * l2)


RULES = {
    rule.__name__: rule
    for rule in (
        gradient_descent,
        momentum,
        nesterov,
        adagrad,
        adadelta,
        adam,
        rmsprop,
        ftrl,
        proximal_gradient_descent,
        proximal_adagrad,
    )
}
