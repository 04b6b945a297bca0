"""The update rules of torch.optim in float64 numpy, written from the equations of PyTorch's documentation.

As oracles.py: nothing of fallline, JAX or optax is used.
"""

from __future__ import annotations

import numpy as np


def torch_sgd(x, g, memory, t, learning_rate=0.001, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=0.0):
    g = g + weight_decay * x
    if momentum:
        memory["b"] = momentum * memory["b"] + (1 - dampening) * g if t > 1 else g
        g = g + momentum * memory["b"] if nesterov else memory["b"]
    return x - learning_rate * g


def _adam(g, memory, t, beta1, beta2, epsilon, amsgrad):
    m = memory["m"] = beta1 * memory.get("m", 0.0) + (1 - beta1) * g
    v = memory["v"] = beta2 * memory.get("v", 0.0) + (1 - beta2) * g**2
    if amsgrad:
        v = memory["w"] = np.maximum(memory.get("w", 0.0), v)
    return m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + epsilon)


def torch_adam(
    x, g, memory, t, learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-8, weight_decay=0.0, amsgrad=0.0
):
    return x - learning_rate * _adam(g + weight_decay * x, memory, t, beta1, beta2, epsilon, amsgrad)


def torch_adamw(
    x, g, memory, t, learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-8, weight_decay=0.01, amsgrad=0.0
):
    return x * (1 - learning_rate * weight_decay) - learning_rate * _adam(g, memory, t, beta1, beta2, epsilon, amsgrad)


def torch_nadam(
    x, g, memory, t, learning_rate=0.002, beta1=0.9, beta2=0.999, epsilon=1e-8, weight_decay=0.0, momentum_decay=0.004
):
    g = g + weight_decay * x
    now, ahead = (beta1 * (1 - 0.5 * 0.96 ** (step * momentum_decay)) for step in (t, t + 1))
    product = memory["p"] = memory.get("p", 1.0) * now
    m = memory["m"] = beta1 * memory.get("m", 0.0) + (1 - beta1) * g
    v = memory["v"] = beta2 * memory.get("v", 0.0) + (1 - beta2) * g**2
    root = np.sqrt(v / (1 - beta2**t)) + epsilon
    x = x - learning_rate * (1 - now) / (1 - product) * g / root
    return x - learning_rate * ahead / (1 - product * ahead) * m / root


def torch_rmsprop(
    x, g, memory, t, learning_rate=0.01, alpha=0.99, epsilon=1e-8, weight_decay=0.0, momentum=0.0, centered=0.0
):
    g = g + weight_decay * x
    s = memory["s"] = alpha * memory.get("s", 0.0) + (1 - alpha) * g**2
    if centered:
        q = memory["q"] = alpha * memory.get("q", 0.0) + (1 - alpha) * g
        s = s - q**2
    b = memory["b"] = momentum * memory.get("b", 0.0) + g / (np.sqrt(s) + epsilon)
    return x - learning_rate * b


def torch_adagrad(
    x, g, memory, t, learning_rate=0.01, lr_decay=0.0, weight_decay=0.0, initial_accumulator=0.0, epsilon=1e-10
):
    g = g + weight_decay * x
    s = memory["s"] = memory.get("s", initial_accumulator) + g**2
    return x - learning_rate / (1 + (t - 1) * lr_decay) * g / (np.sqrt(s) + epsilon)


def torch_adadelta(x, g, memory, t, learning_rate=1.0, rho=0.9, epsilon=1e-6, weight_decay=0.0):
    g = g + weight_decay * x
    v = memory["v"] = rho * memory.get("v", 0.0) + (1 - rho) * g**2
    d = np.sqrt(memory.get("u", 0.0) + epsilon) / np.sqrt(v + epsilon) * g
    memory["u"] = rho * memory.get("u", 0.0) + (1 - rho) * d**2
    return x - learning_rate * d


RULES = {
    rule.__name__: rule
    for rule in (torch_sgd, torch_adam, torch_adamw, torch_nadam, torch_rmsprop, torch_adagrad, torch_adadelta)
}
