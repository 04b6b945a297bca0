"""The further update rules in float64 numpy, written from the equations that fallline prints.

As oracles.py: nothing of fallline, JAX or optax is used. ``x`` is one array: one layer to the layer-wise rules.
"""

from __future__ import annotations

import numpy as np


def _moments(memory, g, t, b1, b2):
    m = b1 * memory.get("m", 0.0) + (1 - b1) * g
    v = b2 * memory.get("v", 0.0) + (1 - b2) * g**2
    memory["m"], memory["v"] = m, v
    return m / (1 - b1**t), v / (1 - b2**t)


def adam_paper(x, g, memory, t, learning_rate, beta1=0.9, beta2=0.999, epsilon=1e-8):
    m, v = _moments(memory, g, t, beta1, beta2)
    return x - learning_rate * m / (np.sqrt(v) + epsilon)


def adam_inside(x, g, memory, t, learning_rate, beta1=0.9, beta2=0.999, epsilon=1e-8):
    m, v = _moments(memory, g, t, beta1, beta2)
    return x - learning_rate * m / np.sqrt(v + epsilon)


def sgd_plus(x, g, memory, t, learning_rate, momentum=0.9):
    v = memory["v"] = momentum * memory.get("v", 0.0) + g
    return x - learning_rate * v


def adamw(x, g, memory, t, learning_rate, beta1=0.9, beta2=0.999, epsilon=1e-8, weight_decay=1e-4):
    m, v = _moments(memory, g, t, beta1, beta2)
    return x - learning_rate * (m / (np.sqrt(v) + epsilon) + weight_decay * x)


def nadam(x, g, memory, t, learning_rate, beta1=0.9, beta2=0.999, epsilon=1e-8):
    _, v = _moments(memory, g, t, beta1, beta2)
    m = beta1 * memory["m"] / (1 - beta1 ** (t + 1)) + (1 - beta1) * g / (1 - beta1**t)
    return x - learning_rate * m / (np.sqrt(v) + epsilon)


def adamax(x, g, memory, t, learning_rate, beta1=0.9, beta2=0.999, epsilon=1e-8):
    m = beta1 * memory.get("m", 0.0) + (1 - beta1) * g
    u = np.maximum(beta2 * memory.get("u", 0.0), np.abs(g) + epsilon)
    memory["m"], memory["u"] = m, u
    return x - learning_rate / (1 - beta1**t) * m / u


def amsgrad(x, g, memory, t, learning_rate, beta1=0.9, beta2=0.999, epsilon=1e-8):
    m, v = _moments(memory, g, t, beta1, beta2)
    w = memory["w"] = np.maximum(memory.get("w", 0.0), v)
    return x - learning_rate * m / (np.sqrt(w) + epsilon)


def radam(x, g, memory, t, learning_rate, beta1=0.9, beta2=0.999, epsilon=1e-8):
    m, v = _moments(memory, g, t, beta1, beta2)
    longest = 2 / (1 - beta2) - 1
    r = longest - 2 * t * beta2**t / (1 - beta2**t)
    if r < 5:
        return x - learning_rate * m
    rectified = np.sqrt((r - 4) * (r - 2) * longest / ((longest - 4) * (longest - 2) * r))
    return x - learning_rate * rectified * m / (np.sqrt(v) + epsilon)


def adabelief(x, g, memory, t, learning_rate, beta1=0.9, beta2=0.999, epsilon=1e-16):
    m = beta1 * memory.get("m", 0.0) + (1 - beta1) * g
    s = beta2 * memory.get("s", 0.0) + (1 - beta2) * (g - m) ** 2 + epsilon
    memory["m"], memory["s"] = m, s
    return x - learning_rate * m / (1 - beta1**t) / (np.sqrt(s / (1 - beta2**t)) + epsilon)


def yogi(x, g, memory, t, learning_rate, beta1=0.9, beta2=0.999, epsilon=1e-3):
    m = beta1 * memory.get("m", 1e-6) + (1 - beta1) * g
    v = memory.get("v", 1e-6)
    v = v - (1 - beta2) * np.sign(v - g**2) * g**2
    memory["m"], memory["v"] = m, v
    return x - learning_rate * m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + epsilon)


def adan(x, g, memory, t, learning_rate, beta1=0.98, beta2=0.92, beta3=0.99, epsilon=1e-8, weight_decay=0.0):
    d = g - memory.get("g", g)
    m = beta1 * memory.get("m", 0.0) + (1 - beta1) * g
    v = beta2 * memory.get("v", 0.0) + (1 - beta2) * d
    n = beta3 * memory.get("n", 0.0) + (1 - beta3) * (g + beta2 * d) ** 2
    memory.update(g=g, m=m, v=v, n=n)
    u = m / (1 - beta1**t) + beta2 * v / (1 - beta2**t)
    u = u / (np.sqrt(n / (1 - beta3**t)) + epsilon)
    return (x - learning_rate * u) / (1 + learning_rate * weight_decay)


def sign_sgd(x, g, memory, t, learning_rate):
    return x - learning_rate * np.sign(g)


def signum(x, g, memory, t, learning_rate, momentum=0.9):
    m = memory["m"] = momentum * memory.get("m", 0.0) + (1 - momentum) * g
    return x - learning_rate * np.sign(m)


def lion(x, g, memory, t, learning_rate, beta1=0.9, beta2=0.99, weight_decay=1e-3):
    m = memory.get("m", 0.0)
    memory["m"] = beta2 * m + (1 - beta2) * g
    return x - learning_rate * (np.sign(beta1 * m + (1 - beta1) * g) + weight_decay * x)


def rprop(x, g, memory, t, learning_rate, eta_minus=0.5, eta_plus=1.2, smallest_step=1e-6, largest_step=50.0):
    old, step = memory.get("g", np.zeros_like(g)), memory.get("step", np.full_like(g, learning_rate))
    kept, turned = g * old > 0, g * old < 0
    step = np.where(kept, np.clip(step * eta_plus, smallest_step, largest_step), step)
    step = np.where(turned, np.clip(step * eta_minus, smallest_step, largest_step), step)
    g = np.where(turned, 0.0, g)  # no step, and the next one starts afresh
    memory["g"], memory["step"] = g, step
    return x - step * np.sign(g)


def lamb(x, g, memory, t, learning_rate, beta1=0.9, beta2=0.999, epsilon=1e-6, weight_decay=0.0):
    m, v = _moments(memory, g, t, beta1, beta2)
    u = m / (np.sqrt(v) + epsilon) + weight_decay * x
    return x - learning_rate * np.linalg.norm(x) / np.linalg.norm(u) * u


def lars(x, g, memory, t, learning_rate, momentum=0.9, weight_decay=0.0, trust_coefficient=0.001):
    u = g + weight_decay * x
    ratio = trust_coefficient * np.linalg.norm(x) / np.linalg.norm(u)
    b = memory["b"] = momentum * memory.get("b", 0.0) + learning_rate * ratio * u
    return x - b


def novograd(x, g, memory, t, learning_rate, beta1=0.9, beta2=0.25, epsilon=1e-6, weight_decay=0.0):
    square = np.sum(g**2)
    v = memory["v"] = beta2 * memory.get("v", square) + (1 - beta2) * square
    m = memory["m"] = beta1 * memory.get("m", 0.0) + g / (np.sqrt(v) + epsilon) + weight_decay * x
    return x - learning_rate * m


RULES = {
    rule.__name__: rule
    for rule in (
        sgd_plus,
        adam_paper,
        adam_inside,
        adamw,
        nadam,
        adamax,
        amsgrad,
        radam,
        adabelief,
        yogi,
        adan,
        sign_sgd,
        signum,
        lion,
        rprop,
        lamb,
        lars,
        novograd,
    )
}
