"""The torch_ optimizers take the steps of torch.optim itself."""

from __future__ import annotations

import jax
import numpy as np
import optax
import pytest

from fallline.optimizers import find_optimizer

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'fallline[torch]'")

ROWS = np.array([[1.0, 0.3, -0.2], [0.1, 1.4, 0.0], [0.5, -0.7, 0.9]])
START = np.array([0.3, -0.8, 1.2])
CASES = [
    ("torch.sgd", "SGD", {}, {"lr": 1e-3}),
    ("torch.sgd", "SGD", {"momentum": 0.9, "dampening": 0.2, "weight_decay": 0.05}, None),
    ("torch.sgd", "SGD", {"momentum": 0.9, "nesterov": True}, None),
    ("torch.adam", "Adam", {}, {}),
    ("torch.adam", "Adam", {"weight_decay": 0.05, "amsgrad": True, "beta2": 0.9}, None),
    ("torch.adamw", "AdamW", {}, {}),
    ("torch.adamw", "AdamW", {"weight_decay": 0.2, "amsgrad": True, "beta1": 0.7}, None),
    ("torch.nadam", "NAdam", {}, {}),
    ("torch.nadam", "NAdam", {"weight_decay": 0.05, "momentum_decay": 0.02}, None),
    ("torch.rmsprop", "RMSprop", {}, {}),
    ("torch.rmsprop", "RMSprop", {"centered": True, "momentum": 0.5, "weight_decay": 0.05}, None),
    ("torch.adagrad", "Adagrad", {}, {}),
    ("torch.adagrad", "Adagrad", {"lr_decay": 0.1, "weight_decay": 0.05, "initial_accumulator": 0.5}, None),
    ("torch.adadelta", "Adadelta", {}, {}),
    ("torch.adadelta", "Adadelta", {"rho": 0.8, "weight_decay": 0.05}, None),
]
NAMES = {"learning_rate": "lr", "epsilon": "eps", "initial_accumulator": "initial_accumulator_value"}


def pytorchs(kind: str, given: dict) -> np.ndarray:
    """The weights after each of 100 steps of torch.optim."""
    weights = torch.tensor(START, requires_grad=True)
    betas = (
        {"betas": (given.pop("beta1", 0.9), given.pop("beta2", 0.999))} if kind in ("Adam", "AdamW", "NAdam") else {}
    )
    rule = getattr(torch.optim, kind)(
        [weights], **{NAMES.get(key, key): value for key, value in given.items()}, **betas
    )
    path = []
    for _ in range(100):
        rule.zero_grad()
        (0.5 * (torch.tensor(ROWS) @ weights - 1.0) ** 2).sum().backward()
        rule.step()
        path.append(weights.detach().numpy().copy())
    return np.stack(path)


@pytest.mark.parametrize(
    "name, kind, given, defaults", CASES, ids=[f"{name}-{[*given]}" for name, _, given, _ in CASES]
)
def test_a_hundred_steps_are_those_of_torch_optim(name, kind, given, defaults):
    optimizer = find_optimizer(name)
    values = {n.name: n.default for n in optimizer.hyperparameters} | given
    expected = pytorchs(kind, dict(given if defaults is None else defaults))
    with jax.enable_x64(True):
        transformation = optimizer.make(**{key: float(value) for key, value in values.items()})

        def step(carry, _):
            x, state = carry
            updates, state = transformation.update(ROWS.T @ (ROWS @ x - 1.0), state, x)
            x = optax.apply_updates(x, updates)
            return (x, state), x

        start = jax.numpy.asarray(START)
        path = jax.lax.scan(step, (start, transformation.init(start)), length=100)[1]
    np.testing.assert_allclose(path, expected, rtol=1e-9, atol=1e-12)
