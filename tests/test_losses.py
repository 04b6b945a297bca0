"""Every loss against its float64 formula, its gradient against finite differences, and its behaviour at the edges."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from fallline.errors import ModelError, UnknownName
from fallline.losses import find_loss, losses

LOSSES = losses()
CROSS_ENTROPY = LOSSES["softmax_cross_entropy"]
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())

GENERATOR = np.random.default_rng(3)
LOGITS = GENERATOR.normal(size=(6, 5)) * 3
LABELS = GENERATOR.integers(0, 5, size=6)
ONE_HOT = np.eye(5)[LABELS]
EXTREME = np.array([[100.0, -100.0, 0.0], [-100.0, -100.0, 100.0], [100.0, 100.0, 100.0], [-100.0, 99.0, 100.0]])


def cross_entropies(z, y):
    """-sum_k y_k log softmax(z)_k of each row, in float64, from the definition."""
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return -np.sum(np.where(y > 0, y * np.log(p / p.sum(axis=1, keepdims=True)), 0.0), axis=1)


def squares(outputs, targets):
    return ((outputs - targets) ** 2).sum(axis=1)


FORMULAS = {
    "softmax_cross_entropy": lambda z, y: cross_entropies(z, y).mean(),
    "squared_error": lambda o, y: squares(o, y).mean(),
    "sum_of_squares": lambda o, y: squares(o, y).sum(),
}


@every_loss
def test_a_batch_has_the_value_of_the_written_formula(loss):
    expected = FORMULAS[loss.name](LOGITS, ONE_HOT)
    value = jax.jit(loss)(jnp.asarray(LOGITS, jnp.float32), jnp.asarray(ONE_HOT, jnp.float32))
    assert value.dtype == jnp.float32 and value.shape == ()
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    with jax.enable_x64(True):
        np.testing.assert_allclose(jax.jit(loss)(jnp.asarray(LOGITS), jnp.asarray(ONE_HOT)), expected, rtol=1e-14)


@every_loss
def test_an_example_has_one_value_whatever_the_batch(loss):
    values = loss.function(jnp.asarray(LOGITS, jnp.float32), jnp.asarray(ONE_HOT, jnp.float32))
    assert values.shape == (6,)
    for row in range(6):
        alone = loss.function(jnp.asarray(LOGITS[row : row + 1], jnp.float32), jnp.asarray(ONE_HOT[row : row + 1]))
        np.testing.assert_allclose(values[row], alone[0], rtol=1e-6)


@every_loss
def test_the_gradient_is_the_finite_difference_of_the_written_formula(loss):
    step, expected = 1e-5, np.zeros_like(LOGITS)
    for index in np.ndindex(LOGITS.shape):
        shift = np.zeros_like(LOGITS)
        shift[index] = step
        formula = FORMULAS[loss.name]
        expected[index] = (formula(LOGITS + shift, ONE_HOT) - formula(LOGITS - shift, ONE_HOT)) / (2 * step)
    gradient = jax.jit(jax.grad(loss))(jnp.asarray(LOGITS, jnp.float32), jnp.asarray(ONE_HOT, jnp.float32))
    np.testing.assert_allclose(gradient, expected, rtol=2e-5, atol=1e-6)


@every_loss
def test_a_loss_says_what_it_is_and_is_found_by_name(loss):
    assert loss.title and loss.equation and loss.source
    assert loss.reduce in ("mean", "sum")
    assert find_loss(loss.name) is loss


def test_an_unknown_loss_is_refused_with_the_near_ones():
    with pytest.raises(UnknownName, match="did you mean softmax_cross_entropy"):
        find_loss("softmax_crossentropy")


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.int8])
def test_integer_labels_are_their_one_hot_rows(dtype):
    z = jnp.asarray(LOGITS, jnp.float32)
    integer = jax.value_and_grad(CROSS_ENTROPY)(z, jnp.asarray(LABELS, dtype))
    one_hot = jax.value_and_grad(CROSS_ENTROPY)(z, jnp.asarray(ONE_HOT, jnp.float32))
    for a, b in zip(integer, one_hot, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8)


def test_a_label_beyond_the_classes_gives_nan_and_no_plausible_number():
    values = CROSS_ENTROPY.function(jnp.zeros((2, 3)), jnp.array([2, 3]))
    assert np.isfinite(values[0]) and np.isnan(values[1])


def test_a_distribution_over_the_classes_is_a_label_too():
    soft = GENERATOR.dirichlet(np.ones(5), size=6)
    value = CROSS_ENTROPY(jnp.asarray(LOGITS, jnp.float32), jnp.asarray(soft, jnp.float32))
    np.testing.assert_allclose(value, cross_entropies(LOGITS, soft).mean(), rtol=1e-6)


@pytest.mark.parametrize("label", [0, 1, 2])
def test_the_cross_entropy_is_exact_and_smooth_at_logits_of_a_hundred(label):
    z, y = jnp.asarray(EXTREME, jnp.float32), jnp.full(4, label)
    values, pull = jax.vjp(lambda z: CROSS_ENTROPY.function(z, y), z)
    gradient = pull(jnp.ones_like(values))[0]
    # 200 between the logits: exp(-200) is far below float64's resolution of 1 and drops out of the formula too
    expected = np.log(np.exp(EXTREME - EXTREME.max(1, keepdims=True)).sum(1)) + EXTREME.max(1) - EXTREME[:, label]
    np.testing.assert_allclose(values, expected, rtol=1e-6, atol=1e-7)
    p = np.exp(EXTREME - EXTREME.max(1, keepdims=True))
    np.testing.assert_allclose(gradient, p / p.sum(1, keepdims=True) - np.eye(3)[label], rtol=1e-6, atol=1e-7)


def test_the_cross_entropy_agrees_with_optax():
    z, y = jnp.asarray(LOGITS, jnp.float32), jnp.asarray(LABELS)
    np.testing.assert_allclose(
        CROSS_ENTROPY.function(z, y), optax.losses.softmax_cross_entropy_with_integer_labels(z, y), rtol=1e-5
    )


def test_one_output_takes_targets_with_or_without_its_axis():
    outputs, targets = jnp.arange(4.0)[:, None], jnp.array([1.0, 0.0, 2.0, 5.0])
    for loss in (LOSSES["squared_error"], LOSSES["sum_of_squares"]):
        for o in (outputs, outputs[:, 0]):
            for y in (targets, targets[:, None]):
                np.testing.assert_array_equal(loss.function(o, y), [1.0, 1.0, 0.0, 4.0])


@pytest.mark.parametrize("targets", [(3,), (4, 2), (2, 4), (4, 3, 2)])
def test_targets_of_another_shape_are_refused_and_never_broadcast(targets):
    with pytest.raises(ModelError, match=r"outputs \(4, 3\) and targets"):
        LOSSES["squared_error"].function(jnp.zeros((4, 3)), jnp.zeros(targets))


@pytest.mark.parametrize("logits, labels", [
    ((4, 3), jnp.zeros(4)), ((4, 3), jnp.zeros((4, 2))), ((4, 3), jnp.zeros((4, 1), int)),
    ((4, 3), jnp.zeros(3, int)), ((4,), jnp.zeros(4, int)),
], ids=["float labels", "too few classes", "a second axis", "another batch", "no classes"])
def test_labels_that_do_not_fit_the_logits_are_refused(logits, labels):
    with pytest.raises(ModelError, match="needs logits"):
        CROSS_ENTROPY.function(jnp.zeros(logits), labels)


def test_losses_run_in_lanes():
    lanes = jnp.asarray(np.stack([LOGITS, -LOGITS, 2 * LOGITS]), jnp.float32)
    values = jax.jit(jax.vmap(CROSS_ENTROPY, in_axes=(0, None)))(lanes, jnp.asarray(LABELS))
    for lane, z in enumerate((LOGITS, -LOGITS, 2 * LOGITS)):
        np.testing.assert_allclose(values[lane], cross_entropies(z, ONE_HOT).mean(), rtol=1e-6)
