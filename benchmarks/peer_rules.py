"""The update rules as PyTorch has them, and written out on stacked weights for an ensemble (torch.func)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.func import grad, vmap

Weights = dict[str, Tensor]
State = tuple[Tensor, ...]

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "gradient_descent": torch.optim.SGD,
    "momentum": lambda weights, lr, **more: torch.optim.SGD(weights, lr, momentum=0.9, **more),
    "nesterov": lambda weights, lr, **more: torch.optim.SGD(weights, lr, momentum=0.9, nesterov=True, **more),
    "adagrad": lambda weights, lr, **more: torch.optim.Adagrad(weights, lr, initial_accumulator_value=0.1, **more),
    "adadelta": lambda weights, lr, **more: torch.optim.Adadelta(weights, lr, rho=0.95, eps=1e-8, **more),
    "adam": torch.optim.Adam,
    "rmsprop": lambda weights, lr, **more: torch.optim.RMSprop(weights, lr, alpha=0.9, eps=1e-10, **more),
}


def optimizer(rule: str, weights: list[Tensor], rate: float, fused: bool) -> torch.optim.Optimizer:
    """The optimizer of that rule, in its fused form where it has one."""
    try:
        return OPTIMIZERS[rule](weights, lr=rate, **({"fused": True} if fused else {}))
    except (TypeError, RuntimeError):
        return OPTIMIZERS[rule](weights, lr=rate)


def _gradient_descent(w: Tensor, g: Tensor, s: State, lr: Tensor) -> tuple[Tensor, State]:
    return w - lr * g, s


def _momentum(w: Tensor, g: Tensor, s: State, lr: Tensor) -> tuple[Tensor, State]:
    m = 0.9 * s[0] + g
    return w - lr * m, (m,)


def _nesterov(w: Tensor, g: Tensor, s: State, lr: Tensor) -> tuple[Tensor, State]:
    m = 0.9 * s[0] + g
    return w - lr * (g + 0.9 * m), (m,)


def _adagrad(w: Tensor, g: Tensor, s: State, lr: Tensor) -> tuple[Tensor, State]:
    n = s[0] + g * g
    return w - lr * g * torch.rsqrt(n), (n,)


def _adadelta(w: Tensor, g: Tensor, s: State, lr: Tensor) -> tuple[Tensor, State]:
    a = 0.95 * s[0] + 0.05 * g * g
    u = torch.sqrt((s[1] + 1e-8) / (a + 1e-8)) * g
    return w - lr * u, (a, 0.95 * s[1] + 0.05 * u * u)


def _adam(w: Tensor, g: Tensor, s: State, lr: Tensor) -> tuple[Tensor, State]:
    t = s[2] + 1
    m, v = 0.9 * s[0] + 0.1 * g, 0.999 * s[1] + 0.001 * g * g
    rate = lr * torch.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    return w - rate * m / (torch.sqrt(v) + 1e-8), (m, v, t)


def _rmsprop(w: Tensor, g: Tensor, s: State, lr: Tensor) -> tuple[Tensor, State]:
    v = 0.9 * s[0] + 0.1 * g * g
    return w - lr * g * torch.rsqrt(v + 1e-10), (v,)


def _like(*fills: float) -> Callable[[Tensor], State]:
    return lambda w: tuple(torch.full_like(w, fill) for fill in fills)


RULES: dict[str, tuple[Callable[[Tensor], State], Callable[..., tuple[Tensor, State]]]] = {
    "gradient_descent": (_like(), _gradient_descent),
    "momentum": (_like(0.0), _momentum),
    "nesterov": (_like(0.0), _nesterov),
    "adagrad": (_like(0.1), _adagrad),
    "adadelta": (_like(0.0, 0.0), _adadelta),
    "adam": (lambda w: (*_like(0.0, 0.0)(w), torch.zeros(())), _adam),
    "rmsprop": (_like(1.0), _rmsprop),
}


def ensemble(rules: list[str], rates: Tensor, start: Weights, loss: Callable[..., Tensor]) -> tuple[Any, Any]:
    """The state of all rates of ``rules`` from the weights ``start``, and ``step(state, x, y)`` that moves it.

    The lanes of a weight are its first axis: [rules * rates, ...]; one gradient pass serves them all.
    """
    lanes = len(rates)
    gradients = vmap(grad(loss), in_dims=(0, None, None))
    weights = {name: w.expand(len(rules) * lanes, *w.shape).clone() for name, w in start.items()}
    column = {name: rates.view(-1, *[1] * w.dim()) for name, w in start.items()}
    states = [{name: RULES[rule][0](w[:lanes]) for name, w in weights.items()} for rule in rules]

    def step(state: Any, x: Tensor, y: Tensor) -> Any:
        weights, states = state
        g = gradients(weights, x, y)
        moved: dict[str, list[Tensor]] = {name: [] for name in weights}
        kept = []
        for number, rule in enumerate(rules):
            own = slice(number * lanes, (number + 1) * lanes)
            kept.append({})
            for name in weights:
                w, kept[-1][name] = RULES[rule][1](weights[name][own], g[name][own], states[number][name], column[name])
                moved[name].append(w)
        return {name: parts[0] if len(parts) == 1 else torch.cat(parts) for name, parts in moved.items()}, kept

    return (weights, states), step
