"""What single losses promise besides: known values, agreement with optax, true gradients, sums of nothing."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from fallline.contracts.fixed import with_fixed
from fallline.errors import ModelError
from fallline.losses import (
    builtin_losses,
    find_loss,
    huber,
    linear_weighted_kappa,
    sigmoid_cross_entropy,
    sigmoid_focal,
    softmax_cross_entropy,
    weighted_cross_entropy,
)
from oracles_losses import VALUES, softmax

LOSSES = builtin_losses()
CROSS_ENTROPY = LOSSES["softmax_cross_entropy"]
every_kappa = pytest.mark.parametrize("kappa", ["linear_weighted_kappa", "quadratic_weighted_kappa"])

GENERATOR = np.random.default_rng(5)
LOGITS = GENERATOR.normal(size=(6, 5)) * 3
LABELS = GENERATOR.integers(0, 5, size=6)
ONE_HOT = np.eye(5)[LABELS]


@pytest.mark.parametrize("name", ["softmax_cross_entropy", "sigmoid_focal", "linear_weighted_kappa"])
def test_bytes_label_more_classes_than_a_byte_counts(name):
    outputs, labels = np.full((3, 300), 1 / 300, np.float32), np.array([5, 0, 127])
    run = jax.jit(LOSSES[name])
    for dtype in (np.uint8, np.int8):
        np.testing.assert_array_equal(run(outputs, labels.astype(dtype)), run(outputs, labels))
    assert np.isnan(run(outputs[:, :200], np.array([5, 0, 255], np.uint8)))


@pytest.mark.parametrize(
    "name, hyperparameters",
    [
        ("softmax_cross_entropy", {"label_smoothing": 0.2}),
        ("sigmoid_cross_entropy", {"label_smoothing": 0.2}),
        ("weighted_cross_entropy", {"pos_weight": 1.5}),
        ("sigmoid_focal", {"alpha": 0.5}),
        ("sigmoid_focal_of_probabilities", {"gamma": 1.5}),
        ("quadratic_weighted_kappa", {}),
    ],
)
def test_a_distribution_over_the_classes_is_a_label_too(name, hyperparameters):
    soft = GENERATOR.dirichlet(np.ones(5), size=6)
    outputs = softmax(LOGITS) if LOSSES[name].takes == "probabilities" else LOGITS
    with jax.enable_x64(True):
        values = jax.jit(with_fixed(find_loss(name), hyperparameters).per_example)(outputs, soft)
    np.testing.assert_allclose(values, VALUES[name](outputs, soft, **hyperparameters), rtol=1e-12)


def test_the_sparse_cross_entropy_takes_whole_numbers_alone():
    with pytest.raises(ModelError, match="write softmax_cross_entropy"):
        LOSSES["sparse_softmax_cross_entropy"](LOGITS, ONE_HOT)


def test_a_loss_with_its_numbers_takes_arrays_of_numpy():
    right = VALUES["weighted_cross_entropy"](LOGITS, ONE_HOT, 1.5)
    np.testing.assert_allclose(weighted_cross_entropy(pos_weight=1.5).per_example(LOGITS, LABELS), right, rtol=2e-6)
    batch = (softmax(LOGITS), LABELS)
    some, chosen = linear_weighted_kappa().per_example(*batch, [1, 1, 0, 1, 0, 1]), [0, 1, 3, 5]
    np.testing.assert_allclose(some, VALUES["linear_weighted_kappa"](batch[0][chosen], ONE_HOT[chosen]), rtol=1e-5)


def test_losses_that_optax_has_agree_with_it():
    @jax.jit
    def pairs(z, y, labels):
        theirs = optax.losses
        return [
            (
                softmax_cross_entropy().per_example(z, labels),
                theirs.softmax_cross_entropy_with_integer_labels(z, labels),
            ),
            (
                softmax_cross_entropy(label_smoothing=0.2).per_example(z, labels),
                theirs.softmax_cross_entropy(z, theirs.smooth_labels(y, 0.2)),
            ),
            (sigmoid_cross_entropy().per_example(z, y), theirs.sigmoid_binary_cross_entropy(z, y).mean(-1)),
            (
                sigmoid_focal(alpha=0.4, gamma=1.5).per_example(z, y),
                theirs.sigmoid_focal_loss(z, y, alpha=0.4, gamma=1.5).sum(-1),
            ),
            (huber(delta=0.5).per_example(z, y), theirs.huber_loss(z, y, delta=0.5).sum(-1)),
        ]

    for ours, right in pairs(LOGITS.astype(np.float32), ONE_HOT.astype(np.float32), LABELS):
        np.testing.assert_allclose(ours, right, rtol=1e-5)


def test_a_class_with_a_logit_of_minus_infinity_takes_no_part_in_the_cross_entropy():
    z = jnp.asarray([[1.0, -jnp.inf, 2.0]])
    value, gradient = jax.jit(jax.value_and_grad(CROSS_ENTROPY))(z, jnp.asarray([2]))
    np.testing.assert_allclose(value, np.log1p(np.exp(-1)), rtol=1e-6)
    np.testing.assert_allclose(gradient, [[1 / (1 + np.e), 0, -1 / (1 + np.e)]], rtol=1e-6)


def test_what_is_surely_right_keeps_its_small_loss_and_gradient_in_float32():
    run = jax.jit(jax.value_and_grad(LOSSES["sigmoid_cross_entropy"]))
    for z, y in ((20.0, 1.0), (-20.0, 0.0), (85.0, 1.0)):
        value, slope = run(np.array([[z]], np.float32), np.array([[y]]))
        small = np.log1p(np.exp(-abs(z)))
        np.testing.assert_allclose([value, slope[0, 0]], [small, np.sign(z) * np.expm1(-small)], rtol=3e-6)


def test_the_weighted_cross_entropy_has_its_true_gradient_at_a_logit_of_0():
    run = jax.jit(jax.grad(LOSSES["weighted_cross_entropy"]))
    for y, w in np.ndindex(3, 3):
        y, w = (0.0, 1.0, 0.3)[y], (0.5, 1.0, 1.5)[w]
        after, before = (VALUES["weighted_cross_entropy"](np.array([[z]]), y, w)[0] for z in (1e-5, -1e-5))
        slope = run(np.zeros((1, 1), np.float32), np.array([[y]]), pos_weight=w)
        np.testing.assert_allclose(slope, (1 - y) - (1 + (w - 1) * y) / 2, atol=1e-7)
        np.testing.assert_allclose(slope, [[(after - before) / 2e-5]], atol=1e-7)


def test_with_gamma_0_the_focal_loss_is_the_cross_entropy_weighted_by_alpha():
    for name, outputs in (("sigmoid_focal", LOGITS), ("sigmoid_focal_of_probabilities", 1 / (1 + np.exp(-LOGITS)))):
        run = jax.jit(jax.value_and_grad(LOSSES[name]))
        value, slope = run(outputs.astype(np.float32), LABELS, alpha=0.5, gamma=0.0)
        entropy = VALUES["sigmoid_cross_entropy"](LOGITS, ONE_HOT).mean()
        np.testing.assert_allclose(value, 0.5 * 5 * entropy, rtol=1e-5)
        assert np.isfinite(slope).all()


def test_quadratic_kappa_has_the_value_that_tensorflow_addons_publishes():
    labels = np.array([2, 1, 0, 3])
    p = np.array([[0.1, 0.2, 0.6, 0.1], [0.1, 0.5, 0.3, 0.1], [0.8, 0.05, 0.05, 0.1], [0.01, 0.09, 0.1, 0.8]])
    np.testing.assert_allclose(jax.jit(LOSSES["quadratic_weighted_kappa"])(p, labels), -1.1611923, rtol=1e-6)


@every_kappa
def test_kappa_is_least_for_right_answers_and_highest_for_the_farthest(kappa):
    labels = np.array([0, 2, 2, 0])
    run = jax.jit(LOSSES[kappa])
    right, near, far = (
        float(run(np.eye(3, dtype=np.float32)[given], labels)) for given in (labels, [0, 2, 1, 1], 2 - labels)
    )
    assert right == pytest.approx(np.log(1e-6)) and right < near < 0 and far == pytest.approx(np.log(2), abs=1e-5)


@every_kappa
def test_a_batch_of_one_class_has_the_ratio_of_chance_until_it_is_surely_right(kappa):
    run = jax.jit(jax.value_and_grad(LOSSES[kappa]))
    for sure in (1e-5, 1e-18, 1e-30, 1e-38, 1e-44, 0.0):
        value, slope = run(np.array([[1.0, sure, sure]] * 4, np.float32), np.zeros(4, int))
        np.testing.assert_allclose(value, np.log(1e-6) if sure < 1e-37 else 1e-6, rtol=1e-6, atol=1e-5)
        assert np.isfinite(slope).all()


@every_kappa
def test_a_kappa_of_no_examples_is_missing_and_of_one_class_refused(kappa):
    assert np.isnan(jax.jit(LOSSES[kappa])(np.full((2, 2), 0.5), np.zeros(2, int), np.zeros(2)))
    with pytest.raises(ModelError, match="at least two classes"):
        LOSSES[kappa](np.ones((4, 1), np.float32), np.zeros(4, int))


def test_one_output_takes_targets_with_or_without_its_axis():
    outputs, targets = jnp.arange(4.0)[:, None], jnp.array([1.0, 0.0, 2.0, 5.0])
    squares = [1, 1, 0, 4]
    for name, values in (("squared_error", squares), ("sum_of_squares", squares), ("huber", [0.5, 0.5, 0, 1.5])):
        for o in (outputs, outputs[:, 0]):
            for y in (targets, targets[:, None]):
                np.testing.assert_array_equal(LOSSES[name].function(o, y), values)


def test_hubers_gradient_is_the_error_held_at_delta():
    errors = jnp.asarray([[-3.0], [-0.7], [-0.2], [0.0], [0.7], [5.0]])
    slope = jax.jit(jax.grad(lambda o: LOSSES["huber"].function(o, jnp.zeros((6, 1)), delta=0.7).sum()))(errors)
    np.testing.assert_allclose(slope, np.clip(errors, -0.7, 0.7), rtol=1e-6)
