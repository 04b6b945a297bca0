"""What every update rule promises, asked of the whole registry: numbers as data, float32, finite, laws."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import fallline
from fallline.contracts import Hyperparameter, Optimizer
from fallline.errors import HyperparameterError, UnknownName
from fallline.optimizers import builtin_optimizers, find_optimizer

RULES = builtin_optimizers()
every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
every_number = pytest.mark.parametrize(
    "rule, number",
    [(rule, number) for rule in RULES.values() for number in rule.hyperparameters],
    ids=[f"{rule.name}-{number.name}" for rule in RULES.values() for number in rule.hyperparameters],
)

LANES, STEPS = 7, 6
SHAPES = {"dense": {"weights": (3, 4)}, "scalar": (), "list": [(2, 1, 2)]}
CANDIDATES = (0.5, 0.3, 1e-4, 2.0, -0.3, 1.0)


class Trained(NamedTuple):
    path: Any
    state: Any
    first_state: Any


@cache
def compiled(rule: Optimizer):
    """``train(numbers, weights, gradients)`` over lanes, each with its numbers, and the list of its traces."""
    traces = []

    def train(hyperparameters, weights, gradients):
        traces.append(rule.name)
        transformation = rule.make(**hyperparameters)

        def step(carry, g):
            x, state = carry
            steps, state = transformation.update(g, state, x)
            x = optax.apply_updates(x, steps)
            return (x, state), x

        first = transformation.init(weights)
        (_, state), path = jax.lax.scan(step, (weights, first), gradients)
        return Trained(path, state, first)

    return jax.jit(jax.vmap(train)), traces


def train(rule, hyperparameters, weights=None, gradients=None):
    """``rule`` run over the lanes; ``hyperparameters`` is one mapping a lane."""
    hyperparameters = {
        n.name: np.array([lane[n.name] for lane in hyperparameters], np.float32) for n in rule.hyperparameters
    }
    run, _ = compiled(rule)
    return run(
        hyperparameters, drawn(1) if weights is None else weights, drawn(2, STEPS) if gradients is None else gradients
    )


def drawn(seed, *steps, scale=1.0):
    """A tree of SHAPES, the same draws in every lane."""
    generator = np.random.default_rng(seed)

    def leaf(shape):
        value = generator.normal(size=(*steps, *shape)) * scale
        return np.broadcast_to(value, (LANES, *value.shape)).astype(np.float32)

    return jax.tree.map(leaf, SHAPES, is_leaf=lambda shape: isinstance(shape, tuple))


def defaults(rule):
    """The rule's numbers, 0.01 where there is no default."""
    return {n.name: 0.01 if n.default is None else n.default for n in rule.hyperparameters}


def lawful(number):
    """One value a lane: the default, then values the law allows and the default again."""
    others = [v for v in ((0.0, 1.0) if number.flag else CANDIDATES) if v != number.default and allows(number, v)]
    start = 0.01 if number.default is None else number.default
    return ([start, *others] + [start] * LANES)[:LANES]


def allows(number, value):
    try:
        number.check(value)
    except HyperparameterError:
        return False
    return True


@every_rule
def test_a_rule_trains_lanes_of_trees_in_float32_and_keeps_its_state(rule):
    done = train(rule, [defaults(rule)] * LANES)
    for leaf, start in zip(jax.tree.leaves(done.path), jax.tree.leaves(drawn(1)), strict=True):
        assert leaf.shape == (LANES, STEPS, *start.shape[1:])
        assert leaf.dtype == jnp.float32
        assert np.isfinite(leaf).all()
        assert not np.array_equal(leaf[:, -1], start)
    for after, before in zip(jax.tree.leaves(done.state), jax.tree.leaves(done.first_state), strict=True):
        assert after.dtype == before.dtype
        assert after.dtype in (jnp.float32, jnp.int32)
        assert np.isfinite(after).all()


@every_rule
def test_zero_gradients_and_zero_weights_stay_finite(rule):
    zeros, none = drawn(0, scale=0.0), drawn(0, STEPS, scale=0.0)
    for weights, gradients in ((drawn(1), none), (zeros, none), (zeros, drawn(2, STEPS))):
        done = train(rule, [defaults(rule)] * LANES, weights, gradients)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(done))


@every_rule
def test_changing_numbers_traces_nothing_anew(rule):
    run, traces = compiled(rule)
    full = {n.name: np.array(lawful(n), np.float32) for n in rule.hyperparameters}
    for factor in (1.0, 0.99, 0.98):
        jax.block_until_ready(run({k: v * np.float32(factor) for k, v in full.items()}, drawn(1), drawn(2, STEPS)))
    assert len(traces) == 1


@every_number
def test_every_declared_number_is_used(rule, number):
    others = {"momentum": 0.5} if number.name in ("dampening", "nesterov") else {}  # they change nothing without it
    lanes = [{**defaults(rule), **others, number.name: value} for value in lawful(number)]
    # weights near 0, where float32 resolves the smallest steps; lanes of equal numbers are equal bit for bit
    paths = jax.tree.leaves(train(rule, lanes, drawn(1, scale=1e-3)).path)
    assert any(not np.array_equal(leaf[lane], leaf[0]) for leaf in paths for lane in range(1, LANES))


@every_rule
def test_a_lane_does_not_hang_on_its_neighbours(rule):
    alone = train(rule, [defaults(rule)] * LANES)
    others = [{n.name: lawful(n)[lane] for n in rule.hyperparameters} for lane in range(LANES)]
    mixed = train(rule, [*others[1:], defaults(rule)])
    for a, b in zip(jax.tree.leaves(alone.path), jax.tree.leaves(mixed.path), strict=True):
        np.testing.assert_array_equal(a[LANES - 1], b[LANES - 1])


OURS = (
    "adadelta",
    "adam",
    "adan",
    "ftrl",
    "novograd",
    "proximal_adagrad",
    "proximal_gradient_descent",
    "rmsprop",
    "rprop",
)


@pytest.mark.parametrize("name", OURS)
def test_our_own_rules_promote_no_type_and_no_rank_implicitly(name, strict_promotion):
    rule = RULES[name].make(**{law: jnp.float32(value) for law, value in defaults(RULES[name]).items()})
    weights, gradients = jax.tree.map(lambda leaf: leaf[0], drawn(1)), jax.tree.map(lambda leaf: leaf[0], drawn(2))
    state = rule.init(weights)
    for _ in range(2):
        steps, state = jax.jit(rule.update)(gradients, state, weights)
        weights = jax.tree.map(jnp.add, weights, steps)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(weights))


def test_only_the_layerwise_rules_couple_the_weights_of_an_array():
    coupled = {rule.name for rule in RULES.values() if not _is_elementwise(rule)}
    assert coupled == {name for name in RULES if getattr(fallline.optimizers, name).__module__.endswith(".layerwise")}


def _is_elementwise(rule):
    """Whether two arrays, laid end to end, step as they do apart."""
    generator = np.random.default_rng(5)
    weights = [generator.normal(size=size).astype(np.float32) for size in (5, 3)]
    gradients = [generator.normal(size=(2, size)).astype(np.float32) for size in (5, 3)]
    transformation = rule.make(**{name: jnp.float32(value) for name, value in defaults(rule).items()})

    def end(x, gradients):
        state = transformation.init(x)
        for step in range(2):
            steps, state = transformation.update(jax.tree.map(lambda g, step=step: g[step], gradients), state, x)
            x = optax.apply_updates(x, steps)
        return x

    @jax.jit
    def both(x, gradients):
        return jnp.concatenate(end(x, gradients)), end(jnp.concatenate(x), jnp.concatenate(gradients, axis=1))

    return np.allclose(*both(weights, gradients), rtol=1e-6, atol=1e-7)


@every_rule
def test_a_rule_says_what_it_is(rule):
    assert rule.title and rule.equation and rule.source
    assert rule.hyperparameters[0].name == "learning_rate"
    assert all(number.meaning for number in rule.hyperparameters)
    assert len({number.name for number in rule.hyperparameters}) == len(rule.hyperparameters)
    assert find_optimizer(rule.name) is rule


@every_number
def test_defaults_obey_their_own_laws(rule, number):
    if number.default is not None:
        assert number.check(bool(number.default) if number.flag else number.default) == number.default


@every_number
def test_a_number_out_of_its_law_is_refused_with_law_and_value(rule, number):
    for value in _unlawful(number):
        with pytest.raises(HyperparameterError) as error:
            rule(**{**defaults(rule), number.name: value})
        assert number.law in str(error.value)
        assert repr(value) in str(error.value)
        assert number.name in str(error.value) and rule.name in str(error.value)


def _unlawful(number: Hyperparameter):
    if number.flag:
        return (2, -1.0, "yes")
    below = [number.low if number.low_open else number.low - 1] if number.low > -np.inf else []
    above = [number.high if number.high_open else number.high + 1] if number.high < np.inf else []
    return (*below, *above, float("nan"), float("inf"), "0.1", True)


@every_rule
def test_an_unknown_number_is_refused_with_the_near_ones(rule):
    for number in rule.hyperparameters:
        with pytest.raises(UnknownName, match=rf"did you mean .*\b{number.name}\b"):
            rule(**defaults(rule), **{number.name + "s": 0.5})


@every_rule
def test_a_missing_number_without_default_is_asked_for(rule):
    missing = [number for number in rule.hyperparameters if number.default is None]
    if not missing:
        rule()
        return
    with pytest.raises(HyperparameterError, match=f"needs {missing[0].name}, which has no default"):
        rule()


def test_an_unknown_rule_is_refused_with_the_near_ones():
    with pytest.raises(UnknownName, match="adam"):
        find_optimizer("adamm")(learning_rate=0.1)


def test_defaults_are_tensorflow_1s():
    documented = {
        "adadelta": {"learning_rate": 0.001, "decay": 0.95, "epsilon": 1e-8},
        "adagrad": {"learning_rate": None, "initial_accumulator": 0.1},
        "adam": {"learning_rate": 0.001, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
        "rmsprop": {"learning_rate": None, "decay": 0.9, "momentum": 0.0, "epsilon": 1e-10, "centered": 0.0},
        "ftrl": {
            "learning_rate": None,
            "learning_rate_power": -0.5,
            "initial_accumulator": 0.1,
            "l1": 0.0,
            "l2": 0.0,
            "l2_shrinkage": 0.0,
        },
        "proximal_gradient_descent": {"learning_rate": None, "l1": 0.0, "l2": 0.0},
        "proximal_adagrad": {"learning_rate": None, "initial_accumulator": 0.1, "l1": 0.0, "l2": 0.0},
    }
    for name, hyperparameters in documented.items():
        assert {n.name: n.default for n in RULES[name].hyperparameters} == hyperparameters


def test_an_optax_optimizer_plugs_in_as_it_is():
    mine = Optimizer.plug("mine", optax.lion, learning_rate=1e-3, b1=0.8, weight_decay=0.1)
    theirs = optax.lion(1e-3, b1=0.8, weight_decay=0.1)
    ours = train(mine, [defaults(mine)] * LANES)
    x, gradients = (jax.tree.map(lambda leaf: leaf[0], tree) for tree in (drawn(1), drawn(2, STEPS)))
    state = theirs.init(x)
    for step in range(STEPS):
        steps, state = theirs.update(jax.tree.map(lambda g, step=step: g[step], gradients), state, x)
        x = optax.apply_updates(x, steps)
    for a, b in zip(jax.tree.leaves(ours.path), jax.tree.leaves(x), strict=True):
        np.testing.assert_allclose(a[0, -1], b, rtol=1e-5, atol=1e-7)
    with pytest.raises(HyperparameterError, match="learning_rate must be > 0"):
        mine(learning_rate=0.0)
