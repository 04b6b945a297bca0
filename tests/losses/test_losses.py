"""What every loss promises, asked of the whole registry and held against oracles_losses."""

from __future__ import annotations

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fallline.contracts.fixed import with_fixed
from fallline.errors import HyperparameterError, ModelError, UnknownName
from fallline.losses import builtin_losses, find_loss, huber, softmax_cross_entropy
from fallline.losses.classes import at_labels
from oracles_losses import VALUES, softmax

LOSSES = builtin_losses()
every_loss = pytest.mark.parametrize("part", LOSSES.values(), ids=LOSSES.keys())

GENERATOR = np.random.default_rng(3)
LOGITS = np.asarray(GENERATOR.normal(size=(6, 5)) * 3, np.float32).astype(np.float64)
LABELS = GENERATOR.integers(0, 5, size=6)
EXTREME = np.array(
    [
        [100, -100, 0.4, 100, -100],
        [-100, -100, 100, -100, -100],
        [100] * 5,
        [-100, 99, 100, 98, 7],
        [-100] * 5,
        [0.4, 0.4, 100, 0.4, -100],
    ],
    np.float64,
)


def defaults(part):
    return {number.name: number.default for number in part.hyperparameters}


def drawn(part):
    """Other numbers than the defaults that the laws allow."""
    return {number.name: 0.3 + 0.1 * place for place, number in enumerate(part.hyperparameters)}


def outputs_of(part, logits):
    """What the loss takes, of these logits, in float64."""
    return softmax(logits) if part.takes == "probabilities" else logits


@cache
def accepts(part, shape, dtype):
    """Whether the loss takes such targets with outputs [6, 5]."""
    try:
        jax.eval_shape(part, jax.ShapeDtypeStruct((6, 5), np.float32), jax.ShapeDtypeStruct(shape, dtype))
    except ModelError:
        return False
    return True


def forms(part, labels):
    """The ways to write these 6 labels of 5 classes that the loss takes: whole numbers, one-hot rows."""
    both = [np.asarray(labels, np.int32), np.eye(5, dtype=np.float32)[labels]]
    return [form for form in both if accepts(part, form.shape, form.dtype)]


@cache
def compiled(part):
    """``run(outputs, targets, numbers)``: the values, the batch's value and its gradient."""

    def run(outputs, targets, hyperparameters):
        values = part.function(outputs, targets, **hyperparameters)
        return values, *jax.value_and_grad(part)(outputs, targets, **hyperparameters)

    return jax.jit(run)


def total(part, outputs, rows, **hyperparameters):
    """The batch's value by the oracle."""
    values = VALUES[part.name](outputs, rows, **hyperparameters)
    return values.sum() if part.reduce == "sum" else values.mean()


def differences(function, x, step=1e-5):
    """The gradient of ``function`` at x by central differences."""
    shifts = step * np.eye(x.size).reshape(x.size, *x.shape)
    slopes = [(function(x + shift) - function(x - shift)) / (2 * step) for shift in shifts]
    return np.reshape(slopes, x.shape)


def test_every_loss_has_an_oracle_and_takes_labels_or_rows():
    assert set(VALUES) == set(LOSSES)
    assert all(forms(part, LABELS) for part in LOSSES.values())


@every_loss
@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 1e-6), (np.float64, 1e-12)])
def test_values_are_those_of_the_written_definition_however_labels_are_written(part, dtype, tolerance):
    outputs = outputs_of(part, LOGITS).astype(dtype)
    for hyperparameters in (defaults(part), drawn(part)):
        right = VALUES[part.name](outputs.astype(np.float64), np.eye(5)[LABELS], **hyperparameters)
        with jax.enable_x64(dtype == np.float64):
            for targets in forms(part, LABELS):
                values = compiled(part)(outputs, targets, hyperparameters)[0]
                assert values.dtype == dtype and values.shape == (() if part.whole else (6,))
                np.testing.assert_allclose(values, right, rtol=tolerance)


@every_loss
def test_the_gradient_is_the_finite_difference_of_the_written_definition(part):
    outputs = outputs_of(part, LOGITS / 3)  # no probability near an end, where the steps would reach over it
    for hyperparameters in (defaults(part), drawn(part)):
        right = differences(
            lambda o, hyperparameters=hyperparameters: total(part, o, np.eye(5)[LABELS], **hyperparameters),
            outputs,
            1e-6,
        )
        with jax.enable_x64(True):
            for targets in forms(part, LABELS):
                gradient = compiled(part)(outputs, targets, hyperparameters)[2]
                np.testing.assert_allclose(gradient, right, rtol=1e-6, atol=1e-8)


@every_loss
def test_values_and_gradients_hold_at_logits_of_a_hundred(part):
    for labels in ([0] * 6, [2] * 6, [0, 2, 1, 1, 4, 3]):
        rows = np.eye(5)[labels]
        for hyperparameters in (defaults(part), drawn(part)):

            def of(logits, rows=rows, hyperparameters=hyperparameters):
                return total(part, outputs_of(part, logits), rows, **hyperparameters)

            for targets in forms(part, labels):
                value, gradient = on_logits(part, EXTREME.astype(np.float32), targets, hyperparameters)
                np.testing.assert_allclose(value, of(EXTREME), rtol=2e-6, atol=1e-6)
                assert np.isfinite(gradient).all()
            with jax.enable_x64(True):
                gradient = on_logits(part, EXTREME, targets, hyperparameters)[1]
            np.testing.assert_allclose(gradient, differences(of, EXTREME, 1e-4), rtol=1e-5, atol=1e-7)


def on_logits(part, logits, targets, hyperparameters):
    """The batch's value and its gradient by the logits, through the softmax where the loss takes probabilities."""
    if part.takes != "probabilities":
        return compiled(part)(logits, targets, hyperparameters)[1:]
    outputs, pull = jax.vjp(jax.nn.softmax, logits)
    _, value, gradient = compiled(part)(outputs, targets, hyperparameters)
    return value, pull(gradient)[0]


@every_loss
def test_values_and_gradients_hold_at_outputs_of_exactly_0_and_1(part):
    outputs = np.eye(5, dtype=np.float32)[[0, 2, 1, 1, 4, 3]]
    for labels in ([0, 2, 1, 1, 4, 3], [0] * 6, [1, 1, 2, 2, 0, 0]):
        for hyperparameters in (defaults(part), drawn(part)):
            right = total(part, outputs.astype(np.float64), np.eye(5)[labels], **hyperparameters)
            for targets in forms(part, labels):
                _, value, gradient = compiled(part)(outputs, targets, hyperparameters)
                np.testing.assert_allclose(value, right, rtol=2e-6, atol=1e-6)
                assert np.isfinite(gradient).all()


@every_loss
def test_numbers_are_bound_and_without_them_a_loss_has_its_defaults(part):
    outputs, targets = outputs_of(part, LOGITS).astype(np.float32), forms(part, LABELS)[0]
    values, value, _ = compiled(part)(outputs, targets, defaults(part))
    others = compiled(part)(outputs, targets, drawn(part))[0]
    found = jax.jit(
        lambda o, y: (
            part.function(o, y),
            part.per_example(o, y),
            part(o, y),
            with_fixed(part, drawn(part)).per_example(o, y),
        )
    )(outputs, targets)
    for ours, right in zip(found, (values, values, value, others), strict=True):
        np.testing.assert_allclose(ours, right, rtol=1e-6)


@pytest.mark.parametrize(
    "part, number",
    [(part, number) for part in LOSSES.values() for number in part.hyperparameters],
    ids=[f"{part.name}-{number.name}" for part in LOSSES.values() for number in part.hyperparameters],
)
def test_every_declared_number_has_an_effect_a_meaning_and_a_law(part, number):
    outputs, targets = outputs_of(part, LOGITS).astype(np.float32), forms(part, LABELS)[0]
    one = compiled(part)(outputs, targets, drawn(part))[0]
    other = compiled(part)(outputs, targets, drawn(part) | {number.name: 0.6})[0]
    assert number.meaning and (np.abs(one - other) > 1e-3 * np.abs(one)).any()
    with pytest.raises(HyperparameterError, match=f"{number.name} must .* got -0.5"):
        with_fixed(part, {number.name: -0.5})


@every_loss
def test_lanes_with_other_numbers_are_traced_once_and_agree_with_the_lane_alone(part):
    traces = []

    def value(outputs, targets, hyperparameters):
        traces.append(part.name)
        return part(outputs, targets, **hyperparameters)

    run = jax.jit(jax.vmap(jax.value_and_grad(value), in_axes=(0, None, 0)))
    lanes = np.stack([outputs_of(part, z) for z in (LOGITS, -LOGITS, LOGITS / 2)]).astype(np.float32)
    targets = forms(part, LABELS)[0]
    for shift in (0.0, 0.2):
        points = [drawn(part), defaults(part), {name: number + shift for name, number in drawn(part).items()}]
        stacked = {name: np.asarray([point[name] for point in points], np.float32) for name in drawn(part)}
        values, gradients = run(lanes, targets, stacked)
        for lane, point in enumerate(points):
            _, alone, gradient = compiled(part)(lanes[lane], targets, point)
            np.testing.assert_allclose(values[lane], alone, rtol=2e-6)
            np.testing.assert_allclose(gradients[lane], gradient, rtol=1e-5, atol=1e-6)
    assert traces == [part.name]


@every_loss
def test_examples_that_do_not_count_change_nothing(part):
    counts = np.array([0, 1, 1, 0, 1, 1, 1, 1, 0], np.float32)
    own = outputs_of(part, LOGITS).astype(np.float32)
    run, targets = jax.jit(jax.value_and_grad(part)), forms(part, LABELS)[0]
    _, value, gradient = compiled(part)(own, targets, drawn(part))
    for filling in (own[:1], own[-1:], np.full((1, 5), 0.2)):
        padded = np.repeat(filling, 9, axis=0).astype(np.float32)
        labels = np.repeat(targets[:1], 9, axis=0)
        padded[counts > 0], labels[counts > 0] = own, targets
        again, slope = run(padded, labels, counts, **drawn(part))
        np.testing.assert_allclose(again, value, rtol=2e-6)
        np.testing.assert_allclose(slope[counts > 0], gradient, rtol=1e-5, atol=1e-7)
        np.testing.assert_array_equal(slope[counts == 0], 0)


@every_loss
def test_the_order_of_examples_changes_no_value(part):
    outputs, order = outputs_of(part, LOGITS).astype(np.float32), np.array([3, 0, 5, 1, 4, 2])
    for targets in forms(part, LABELS):
        values = compiled(part)(outputs, targets, drawn(part))[0]
        turned = compiled(part)(outputs[order], targets[order], drawn(part))[0]
        np.testing.assert_allclose(turned, values if part.whole else values[order], rtol=1e-6)


@every_loss
def test_an_example_has_one_value_whatever_else_is_in_the_batch(part):
    outputs, targets = outputs_of(part, LOGITS).astype(np.float32), forms(part, LABELS)[0]
    values = compiled(part)(outputs, targets, drawn(part))[0]
    for row in range(0 if part.whole else 6):
        alone = compiled(part)(np.repeat(outputs[[row]], 6, axis=0), np.repeat(targets[[row]], 6, axis=0), drawn(part))
        np.testing.assert_allclose(alone[0], [values[row]] * 6, rtol=1e-6)


@every_loss
@pytest.mark.parametrize(
    "shape, dtype", [((6, 2), float), ((4,), int), ((6, 5, 2), float), ((5, 6), float), ((6, 1), int), ((6,), float)]
)
def test_targets_of_another_shape_are_refused_in_one_sentence_and_never_broadcast(part, shape, dtype):
    with pytest.raises(ModelError, match=r" needs .*, got ") as refused:
        part(np.zeros((6, 5), np.float32), np.zeros(shape, dtype))
    assert str(shape) in str(refused.value) and "\n" not in str(refused.value)


@every_loss
def test_a_label_that_names_no_class_gives_nan_and_no_plausible_number(part):
    for label in (5, -1):
        labels = np.array([2, 0, 1, 4, 3, label], np.int32)
        if accepts(part, labels.shape, labels.dtype):
            values = compiled(part)(np.full((6, 5), 0.2, np.float32), labels, drawn(part))[0]
            assert np.isnan(values).ravel().tolist() == ([True] if part.whole else [False] * 5 + [True])


@every_loss
def test_a_loss_says_what_it_is_and_is_found_by_name(part):
    assert part.title and part.equation and part.source
    assert part.reduce in ("mean", "sum") and part.takes in ("values", "logits", "probabilities")
    assert find_loss(part.name) is part


def test_unknown_losses_and_numbers_are_refused_with_the_near_ones():
    with pytest.raises(UnknownName, match="did you mean softmax_cross_entropy"):
        find_loss("softmax_crossentropy")
    with pytest.raises(UnknownName, match="no loss is named 'kappa'"):
        find_loss("kappa")
    with pytest.raises(UnknownName, match=r"hyperparameter of loss huber is named 'dleta'.*; did you mean delta"):
        huber(dleta=1.0)  # pyright: ignore[reportCallIssue]
    with pytest.raises(HyperparameterError, match=r"label_smoothing must lie in \[0, 1\), got 1.0"):
        softmax_cross_entropy(label_smoothing=1.0)


@pytest.mark.parametrize("name", ["linear_weighted_kappa", "quadratic_weighted_kappa"])
def test_a_loss_of_a_whole_split_is_that_of_the_split_however_it_is_cut_into_batches(name):
    """2,000 examples in order of class: a mean over batches of 1,000 would be of batches with half of the classes."""
    import jax.numpy as jnp

    from fallline.contracts import Loss
    from fallline.engine.evaluation import Evaluation, hold_out
    from fallline.engine.lanes import Cohort, LaneHyperparameters, Lanes, Segment, State
    from fallline.models.softmax import softmax
    from fallline.optimizers import find_optimizer

    rng = np.random.default_rng(3)
    labels = np.repeat(np.arange(10), 200)
    inputs = (np.eye(10)[labels] * 3 + rng.normal(size=(2000, 10))).astype(np.float32)
    model, part = softmax(10, 10), find_loss(name)
    weights = jax.tree.map(
        lambda leaf: jnp.asarray(rng.normal(size=(1, 2, *leaf.shape)), jnp.float32), model.init(jax.random.key(0))
    )
    state = State((Lanes(weights, {}, {}, None, jnp.full((1, 2), -1)),), jnp.int32(0))
    hyperparameters = (LaneHyperparameters({}, {}, {}, {}),)

    def value(loss, most):
        cohort = Cohort(model, loss, (), None, (Segment(find_optimizer("adam"), 2),))
        held = hold_out({"validation": (inputs, labels)}, most=most)["validation"]
        return Evaluation(cohort).over(state, hyperparameters, held).values["loss"]

    power = 1 if name.startswith("linear") else 2
    weight = (np.abs(np.arange(10)[:, None] - np.arange(10)) / 9.0) ** power
    for lane in range(2):
        w, b = (np.asarray(leaf[0, lane], np.float64) for leaf in jax.tree.leaves(weights))
        logits = inputs.astype(np.float64) @ w.T + b
        p = np.exp(logits - logits.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        y = np.eye(10)[labels]
        expected = np.log((y @ weight * p).sum() / (y.sum(0) @ weight @ p.mean(0)) + 1e-6)
        for most in (1000, 300, 2000):
            assert value(part, most)[0, lane] == pytest.approx(expected, rel=1e-5, abs=1e-6)
        whole = Loss("mine", part.function, takes="probabilities", whole=True)  # one that names no sums
        assert value(whole, None)[0, lane] == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_the_value_at_a_label_and_its_derivatives_are_those_of_a_gather():
    rows, change = (np.random.default_rng(seed).normal(size=(6, 4)).astype(np.float32) for seed in (0, 1))
    rows[1, 2], rows[2, 1] = np.inf, -np.inf  # where a label points elsewhere they take no part
    places = jnp.array([0, 3, 2, 1, 4, 2])
    found = at_labels(jnp.asarray(rows), places)
    expected = rows[np.arange(6), np.minimum(places, 3)]
    np.testing.assert_array_equal(found, np.where(places < 4, expected, np.nan))
    finite = jnp.asarray(np.nan_to_num(rows, posinf=1, neginf=-1))
    gradient = jax.grad(lambda z: at_labels(z, places)[:4].sum())(finite)
    np.testing.assert_array_equal(gradient, np.eye(5, dtype=np.float32)[places][:, :4] * (np.arange(6) < 4)[:, None])
    _, tangent = jax.jvp(lambda z: at_labels(z, places), (finite,), (jnp.asarray(change),))
    np.testing.assert_array_equal(tangent[:4], change[np.arange(4), places[:4]])
