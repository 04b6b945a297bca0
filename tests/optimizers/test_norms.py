"""Norms of entries whose squares float32 cannot hold, and the rules and the clipping that divide by them."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from fallline import regularisation
from fallline.norms import norm_of
from fallline.optimizers import find_optimizer

SIZES = (1.0, 1e20, 1e-30, 1e37, 1e-36)


def drawn(scale, shape=(40, 7)):
    return (np.random.default_rng(0).uniform(0.5, 1, shape) * scale).astype(np.float32)


def clipped(gradient, to=1.0):
    tree = {"clip": jnp.asarray(gradient, jnp.float32)}
    return np.asarray(jax.jit(regularisation.on_gradient)({"clip_norm": jnp.float32(to)}, {}, tree)["clip"])


@pytest.mark.parametrize("size", SIZES)
def test_a_norm_is_numpys_in_float64_at_every_size(size):
    x = {"a": drawn(size), "b": drawn(size / 7, (3,))}
    expected = np.linalg.norm(np.concatenate([leaf.ravel().astype(np.float64) for leaf in x.values()]))
    assert float(norm_of(x)) == pytest.approx(expected, rel=1e-6)


def test_a_norm_is_the_plain_formulas_bit_for_bit_where_that_holds():
    x = jnp.asarray(drawn(0.3))
    assert float(norm_of(x)) == float(jnp.sqrt(jnp.sum(x * x)))


def test_a_norm_of_nothing_is_0_and_one_of_what_is_not_finite_is_not():
    assert float(norm_of(jnp.zeros(3))) == 0 and float(norm_of({})) == 0
    assert float(norm_of(jnp.array([1.0, np.inf]))) == np.inf and np.isnan(norm_of(jnp.array([np.nan, 1.0])))


@pytest.mark.parametrize("gradient", [[1e20, 0], [1e20, -1e20], [3e38, 3e38, -3e38], [1e-3, 1e25], [30, 40]])
def test_a_long_gradient_is_clipped_to_its_direction(gradient):
    exact = np.asarray(gradient, np.float64)
    np.testing.assert_allclose(clipped(gradient, 0.5), 0.5 * exact / np.linalg.norm(exact), rtol=1e-6, atol=1e-30)


@pytest.mark.parametrize("gradient", [[0, 0], [1e-30, -1e-30], [0.3, 0.4]])
def test_a_short_gradient_stays_as_it_is(gradient):
    np.testing.assert_array_equal(clipped(gradient), np.asarray(gradient, np.float32))


@pytest.mark.parametrize("gradient", [[np.inf, 1], [np.nan, 1], [-np.inf, np.inf]])
def test_a_gradient_that_is_not_finite_never_becomes_a_step(gradient):
    assert np.isnan(clipped(gradient)).any()  # so the lane diverges, and says so


def one_step(name, weights, gradient, **hyperparameters):
    rule = find_optimizer(name)(**hyperparameters)
    return np.asarray(rule.update(gradient, rule.init(weights), weights)[0], np.float64)


@pytest.mark.parametrize("size", SIZES)
def test_lars_steps_by_the_direction_of_a_gradient_of_any_size(size):
    x, g = drawn(2.0), drawn(size)
    exact = g.astype(np.float64)
    expected = -0.1 * 0.001 * np.linalg.norm(x.astype(np.float64)) * exact / np.linalg.norm(exact)
    np.testing.assert_allclose(one_step("lars", x, g, learning_rate=0.1), expected, rtol=1e-5)


@pytest.mark.parametrize("size", [1.0, 1e20, 1e36])
def test_novograds_first_step_is_the_direction_of_a_gradient_of_any_size(size):
    g = drawn(size)
    expected = -0.1 * g.astype(np.float64) / np.linalg.norm(g.astype(np.float64))
    np.testing.assert_allclose(one_step("novograd", drawn(2.0), g, learning_rate=0.1), expected, rtol=1e-5)


def test_lamb_takes_the_norm_of_large_and_small_weights():
    for size in (1e20, 1e-30):
        x, g = drawn(size), np.ones((40, 7), np.float32)
        expected = -0.1 * np.linalg.norm(x.astype(np.float64)) / np.sqrt(g.size)
        np.testing.assert_allclose(one_step("lamb", x, g, learning_rate=0.1), expected, rtol=1e-4)


@pytest.mark.parametrize(
    "name, twin, rel",
    [
        ("lamb", optax.lamb(0.01, weight_decay=0.1), 0),
        ("lars", optax.lars(0.01, 0.1, trust_coefficient=0.001, momentum=0.9), 0),
        ("novograd", optax.novograd(0.01, 0.9, 0.25, 1e-6, weight_decay=0.1), 1e-5),
    ],
)
def test_where_optaxs_norms_hold_the_layerwise_rules_are_optaxs(name, twin, rel):
    rule, draw = find_optimizer(name)(learning_rate=0.01, weight_decay=0.1), np.random.default_rng(1)
    ours = theirs = jnp.asarray(draw.normal(size=(30, 7)), jnp.float32)
    states = [rule.init(ours), twin.init(theirs)]
    for _ in range(20):
        g = jnp.asarray(draw.normal(size=(30, 7)), jnp.float32)
        step, states[0] = rule.update(g, states[0], ours)
        other, states[1] = twin.update(g, states[1], theirs)
        ours, theirs = optax.apply_updates(ours, step), optax.apply_updates(theirs, other)
    np.testing.assert_allclose(ours, theirs, rtol=rel or 1e-6, atol=1e-6 if rel else 1e-7)
