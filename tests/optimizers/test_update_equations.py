"""Every update rule against its written equation in float64 numpy, against optax where the two agree, at its edges."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import oracles
import oracles_further
import oracles_torch
from fallline.losses import builtin_losses
from fallline.optimizers import builtin_optimizers, find_optimizer

X, Y = np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.0, -1.0, -2.0, -3.0])


class Squares(NamedTuple):
    """The sum of squares of ``rows @ w - targets``, and where a run starts."""

    rows: np.ndarray
    targets: np.ndarray
    start: np.ndarray

    def gradient(self, w):
        return 2 * self.rows.T @ (self.rows @ w - self.targets)


PROBLEMS = {
    "line_fit": Squares(np.stack([X, np.ones(4)], axis=1), Y, np.array([0.3, -0.3])),
    "bowl": Squares(np.array([[0.5, 0], [0, 1.4], [0, 0], [0, 0]]), np.array([1.5, -0.7, 0, 0]), np.array([-1.0, 2.0])),
}

TENSORFLOW_CASES = [
    ("gradient_descent", {"learning_rate": 0.01}),
    ("momentum", {"learning_rate": 0.005, "momentum": 0.5}),
    ("momentum", {"learning_rate": 0.01}),
    ("nesterov", {"learning_rate": 0.005}),
    ("nesterov", {"learning_rate": 0.01, "momentum": 0.6}),
    ("adagrad", {"learning_rate": 0.1}),
    ("adagrad", {"learning_rate": 0.5, "initial_accumulator": 1.0}),
    ("adadelta", {"learning_rate": 1.0}),
    ("adadelta", {"learning_rate": 0.5, "decay": 0.9, "epsilon": 1e-4}),
    ("adam", {}),
    ("adam", {"learning_rate": 0.1}),
    ("adam", {"learning_rate": 0.01, "beta1": 0.5, "beta2": 0.9, "epsilon": 1e-3}),
    ("rmsprop", {"learning_rate": 0.01}),
    ("rmsprop", {"learning_rate": 0.002, "momentum": 0.5, "epsilon": 1e-4}),
    ("rmsprop", {"learning_rate": 0.002, "centered": 1.0, "decay": 0.8}),
    ("rmsprop", {"learning_rate": 0.005, "centered": 1.0, "epsilon": 1e-3, "momentum": 0.3}),
    ("ftrl", {"learning_rate": 0.1}),
    ("ftrl", {"learning_rate": 0.5, "l1": 0.01, "l2": 0.02}),
    ("ftrl", {"learning_rate": 0.2, "learning_rate_power": -0.4, "l1": 0.1, "l2": 0.05, "l2_shrinkage": 0.03}),
    ("ftrl", {"learning_rate": 0.02, "learning_rate_power": 0.0, "initial_accumulator": 0.7, "l2_shrinkage": 0.03}),
    ("proximal_gradient_descent", {"learning_rate": 0.01}),
    ("proximal_gradient_descent", {"learning_rate": 0.01, "l1": 0.1, "l2": 0.2}),
    ("proximal_adagrad", {"learning_rate": 0.1, "l1": 0.1, "l2": 0.2}),
    ("proximal_adagrad", {"learning_rate": 0.3, "l1": 1.0, "initial_accumulator": 0.5}),
]

FURTHER_CASES = [
    ("sgd_plus", {"learning_rate": 0.005, "momentum": 0.5}),
    ("adam_inside", {"learning_rate": 0.01, "epsilon": 1e-2}),
    ("adam_inside", {"learning_rate": 0.02, "beta1": 0.8, "beta2": 0.99, "epsilon": 1e-4}),
    ("adam_paper", {"learning_rate": 0.01, "epsilon": 1e-2}),
    ("adamw", {"learning_rate": 0.02, "beta1": 0.8, "beta2": 0.99, "weight_decay": 0.1}),
    ("nadam", {"learning_rate": 0.01, "beta2": 0.99}),
    ("adamax", {"learning_rate": 0.01, "epsilon": 1e-3}),
    ("amsgrad", {"learning_rate": 0.05, "beta2": 0.9}),
    ("radam", {"learning_rate": 0.002, "beta2": 0.99}),
    ("adabelief", {"learning_rate": 0.01, "epsilon": 1e-8}),
    ("yogi", {"learning_rate": 0.01, "beta2": 0.99}),
    ("adan", {"learning_rate": 0.01, "beta3": 0.95, "weight_decay": 0.05, "epsilon": 1e-4}),
    ("sign_sgd", {"learning_rate": 0.003}),
    ("signum", {"learning_rate": 0.003, "momentum": 0.8}),
    ("lion", {"learning_rate": 0.003, "beta2": 0.95, "weight_decay": 0.1}),
    ("rprop", {"learning_rate": 0.003, "eta_plus": 1.1, "largest_step": 0.02}),
    ("lamb", {"learning_rate": 0.01, "weight_decay": 0.1}),
    ("lars", {"learning_rate": 2.0, "momentum": 0.8, "weight_decay": 0.1}),
    ("novograd", {"learning_rate": 0.005, "beta2": 0.6, "weight_decay": 0.01}),
]
TORCH_CASES = [
    ("torch_sgd", {"learning_rate": 0.01, "weight_decay": 0.1}),
    ("torch_sgd", {"learning_rate": 0.005, "momentum": 0.8, "dampening": 0.3}),
    ("torch_sgd", {"learning_rate": 0.005, "momentum": 0.5, "nesterov": 1.0, "weight_decay": 0.1}),
    ("torch_adam", {"learning_rate": 0.02, "epsilon": 1e-2, "weight_decay": 0.1}),
    ("torch_adam", {"learning_rate": 0.05, "beta2": 0.9, "amsgrad": 1.0}),
    ("torch_adamw", {"learning_rate": 0.02, "beta1": 0.8, "beta2": 0.99}),
    ("torch_adamw", {"learning_rate": 0.05, "beta2": 0.9, "amsgrad": 1.0, "weight_decay": 0.1}),
    ("torch_nadam", {"learning_rate": 0.01, "beta2": 0.99, "momentum_decay": 0.05, "weight_decay": 0.1}),
    ("torch_rmsprop", {"learning_rate": 0.01, "weight_decay": 0.1}),
    ("torch_rmsprop", {"learning_rate": 0.002, "centered": 1.0, "alpha": 0.8, "epsilon": 1e-3, "momentum": 0.3}),
    ("torch_adagrad", {"learning_rate": 0.1, "lr_decay": 0.1, "weight_decay": 0.1}),
    ("torch_adagrad", {"learning_rate": 0.5, "initial_accumulator": 1.0}),
    ("torch_adadelta", {"learning_rate": 1.0, "epsilon": 1e-4}),
    ("torch_adadelta", {"learning_rate": 0.2, "rho": 0.95, "epsilon": 1e-4, "weight_decay": 0.1}),
]
CASES = TENSORFLOW_CASES + FURTHER_CASES + TORCH_CASES
WRITTEN = oracles.RULES | oracles_further.RULES | oracles_torch.RULES
STEPS = 100
every_case = pytest.mark.parametrize("name, hyperparameters", CASES, ids=[f"{n}-{[*k.values()]}" for n, k in CASES])
every_problem = pytest.mark.parametrize("problem", PROBLEMS)


@cache
def compiled(make, steps):
    """``run(problem, numbers)``: the weights after each update and the updates, numbers and problem as data."""

    def run(problem, hyperparameters):
        transformation = make(**hyperparameters)

        def step(carry, _):
            u, state = transformation.update(problem.gradient(carry[0]), carry[1], carry[0])
            x = optax.apply_updates(carry[0], u)
            return (x, state), (x, u)

        return jax.lax.scan(step, (problem.start, transformation.init(problem.start)), length=steps)[1]

    return jax.jit(run)


def follow(make, problem, steps, dtype=jnp.float32, **hyperparameters):
    """Weights [steps + 1, 2] as float64 and updates [steps, 2] as they came."""
    data = Squares(*(jnp.asarray(array, dtype) for array in PROBLEMS[problem]))
    hyperparameters = {name: jnp.asarray(value, dtype) for name, value in hyperparameters.items()}
    path, updates = compiled(make, steps)(data, hyperparameters)
    assert path.dtype == dtype
    return np.concatenate([PROBLEMS[problem].start[None], np.asarray(path, np.float64)]), np.asarray(updates)


def written(name, problem, **hyperparameters):
    """The weights that the rule's equation gives in float64, [STEPS + 1, 2]."""
    return oracles.trajectory(
        WRITTEN[name], PROBLEMS[problem].start, PROBLEMS[problem].gradient, STEPS, **hyperparameters
    )


def full(name, hyperparameters):
    return {n.name: hyperparameters.get(n.name, n.default) for n in find_optimizer(name).hyperparameters}


def relative(path, reference):
    """The largest error of a weight at each step, relative to the largest weight of that step."""
    return np.abs(path - reference).max(axis=1) / np.abs(reference).max(axis=1)


@every_problem
@every_case
def test_a_rule_in_float32_follows_its_written_equation(name, hyperparameters, problem):
    path, _ = follow(find_optimizer(name).make, problem, STEPS, **full(name, hyperparameters))
    expected = written(name, problem, **hyperparameters)
    assert np.abs(expected[-1] - expected[0]).max() > 1e-3
    assert relative(path, expected).max() < 1e-5


@every_problem
@every_case
def test_a_rule_in_float64_is_its_written_equation(name, hyperparameters, problem):
    with jax.enable_x64(True):
        path, _ = follow(find_optimizer(name).make, problem, STEPS, jnp.float64, **full(name, hyperparameters))
    assert relative(path, written(name, problem, **hyperparameters)).max() < 1e-12


def test_every_rule_has_a_written_equation():
    assert {name for name, _ in CASES} == set(builtin_optimizers()) == set(WRITTEN)


def test_rmsprop_on_the_line_fit_settles_into_the_cycle_tensorflow_shows():
    path, _ = follow(find_optimizer("rmsprop").make, "line_fit", 3000, **full("rmsprop", {"learning_rate": 0.01}))
    losses = ((path[-10:, :1] * X + path[-10:, 1:] - Y) ** 2).sum(axis=1)
    np.testing.assert_allclose(losses, 0.00135, rtol=1e-3)


OPTAX_TWINS = [
    ("gradient_descent", {"learning_rate": 0.01}, optax.sgd(0.01)),
    ("momentum", {"learning_rate": 0.01, "momentum": 0.8}, optax.sgd(0.01, 0.8)),
    ("nesterov", {"learning_rate": 0.005, "momentum": 0.8}, optax.sgd(0.005, 0.8, nesterov=True)),
    ("adagrad", {"learning_rate": 0.1, "initial_accumulator": 0.2}, optax.adagrad(0.1, 0.2, eps=0.0)),
    ("adadelta", {"learning_rate": 0.5, "decay": 0.9, "epsilon": 1e-6}, optax.adadelta(0.5, 0.9, 1e-6)),
    (
        "rmsprop",
        {"learning_rate": 0.005, "momentum": 0.5},
        optax.rmsprop(0.005, 0.9, 1e-10, initial_scale=1.0, momentum=0.5),
    ),
    (
        "rmsprop",
        {"learning_rate": 0.002, "epsilon": 1e-4, "centered": 1.0},
        optax.rmsprop(0.002, 0.9, 1e-4, initial_scale=1.0, centered=True),
    ),
]


@every_problem
@pytest.mark.parametrize("name, hyperparameters, twin", OPTAX_TWINS, ids=[name for name, _, _ in OPTAX_TWINS])
def test_what_optax_shares_agrees_with_optax(name, hyperparameters, twin, problem):
    with jax.enable_x64(True):
        path, _ = follow(find_optimizer(name).make, problem, STEPS, jnp.float64, **full(name, hyperparameters))
        theirs, _ = follow(lambda: twin, problem, STEPS, jnp.float64)
    assert relative(path, theirs).max() < 1e-12


@every_problem
def test_proximal_gradient_descent_without_regularisation_is_gradient_descent_bit_for_bit(problem):
    plain, proximal = (find_optimizer(name).make for name in ("gradient_descent", "proximal_gradient_descent"))
    without = follow(plain, problem, 100, learning_rate=0.01)
    zero = follow(proximal, problem, 100, learning_rate=0.01, l1=0.0, l2=0.0)
    for ours, theirs in zip(zero, without, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", ["proximal_gradient_descent", "proximal_adagrad", "ftrl"])
def test_l1_sets_weights_to_exactly_zero(name):
    weights, gradients = jnp.array([0.011, -0.013, 0.5], jnp.float32), jnp.array([0.03, 0.02, -0.01], jnp.float32)
    rule = find_optimizer(name)(learning_rate=0.1, l1=0.3)
    updates, _ = rule.update(gradients, rule.init(weights), weights)
    after = np.asarray(optax.apply_updates(weights, updates))
    expected = oracles.trajectory(WRITTEN[name], weights, lambda x: gradients, 1, learning_rate=0.1, l1=0.3)[1]
    assert (after[:2] == 0).all()
    np.testing.assert_allclose(after, expected, rtol=1e-5)


def test_ftrl_starts_from_zero_wherever_the_weights_start():
    weights = jnp.array([0.7, -2.0], jnp.float32)
    rule = find_optimizer("ftrl")(learning_rate=0.1)
    updates, _ = rule.update(jnp.zeros(2, jnp.float32), rule.init(weights), weights)
    np.testing.assert_array_equal(optax.apply_updates(weights, updates), 0.0)


def test_centred_rmsprop_stays_finite_under_steady_gradients_where_the_plain_difference_does_not():
    g = np.geomspace(0.1, 100, 400).astype(np.float32)
    s, q, half = np.ones_like(g), np.zeros_like(g), np.float32(0.5)
    broken = np.zeros(len(g), bool)
    rule = find_optimizer("rmsprop")(learning_rate=0.01, decay=0.5, centered=True)
    state = rule.init(g)
    for _ in range(60):
        s, q = s + half * (g * g - s), q + half * (g - q)
        broken |= s - q * q + np.float32(1e-10) < 0
        steps, state = rule.update(g, state)
        assert np.isfinite(steps).all()
    assert broken.any()


def test_adams_epsilon_hat_is_the_papers_epsilon_over_the_corrected_root():
    x, g = jnp.array([0.3, -0.3], jnp.float32), jnp.array([0.02, -0.5], jnp.float32)
    hat = find_optimizer("adam")(learning_rate=0.1, epsilon=1e-2)
    paper = find_optimizer("adam_paper")(learning_rate=0.1, epsilon=1e-2 / np.sqrt(1 - 0.999))
    np.testing.assert_allclose(hat.update(g, hat.init(x), x)[0], paper.update(g, paper.init(x), x)[0], rtol=1e-5)


@pytest.mark.parametrize("beta", [0.0, 0.9, 0.999, 0.99999])
@pytest.mark.parametrize("kind", [float, jnp.float32])
def test_adams_first_steps_lose_no_digits_to_the_bias_correction(beta, kind):
    rule = find_optimizer("adam").make(learning_rate=1.0, beta1=kind(beta), beta2=kind(beta), epsilon=1e-20)
    x = jnp.float32(0)
    state = rule.init(x)
    for _ in range(10):
        step, state = rule.update(jnp.float32(3.0), state, x)
        assert abs(float(step) + 1) < 1e-6


def test_the_page_of_equations_holds_every_rule_and_loss():
    page = (Path(__file__).parents[2] / "docs" / "equations.md").read_text(encoding="utf-8")
    for part in (*builtin_optimizers().values(), *builtin_losses().values()):
        section = page.split(f"\n### {part.name}\n")[1].split("\n### ")[0]
        assert all(f"    {line}\n" in section for line in part.equation.split(";  "))
        assert part.source in section


@pytest.mark.parametrize("epsilon, documented", [(1e-8, 1.2e-9), (1e-3, 1.2e-4), (0.1, 1.2e-2), (1.0, 8.0e-2)])
def test_adam_parts_from_the_paper_by_what_the_page_says(epsilon, documented):
    with jax.enable_x64(True):
        hat, paper = (
            follow(
                find_optimizer(name).make,
                "line_fit",
                STEPS,
                jnp.float64,
                **full(name, {"learning_rate": 0.01, "epsilon": epsilon}),
            )[0]
            for name in ("adam", "adam_paper")
        )
    np.testing.assert_allclose(np.abs(hat - paper)[-1].max(), documented, rtol=0.05)
