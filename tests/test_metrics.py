"""Metrics against slow loops over examples and classes, and against calculations by hand."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fallline.errors import ModelError, UnknownName
from fallline.metrics import find_metric, higher_is_better, metrics
from fallline.metrics.per_class import confusion, macro, per_class

METRICS = metrics()
TOPS = {2: METRICS["top_2_accuracy"], 3: METRICS["top_3_accuracy"], 5: METRICS["top_5_accuracy"]}
every_metric = pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS.keys())

GENERATOR = np.random.default_rng(11)
# few different values, so that ties are common
OUTPUTS = GENERATOR.integers(0, 4, size=(40, 6)).astype(np.float32)
LABELS = GENERATOR.integers(0, 6, size=40).astype(np.int32)


def ranked(row):
    """The classes from the largest output to the smallest, of equal ones the first class first."""
    return sorted(range(len(row)), key=lambda k: (-row[k], k))


@every_metric
def test_a_metric_gives_a_value_per_example_is_found_by_name_and_says_what_it_is(metric):
    for targets in (jnp.asarray(OUTPUTS + 1), jnp.eye(6)[LABELS]):
        values = jax.jit(metric.function)(OUTPUTS, targets)
        assert values.shape == (40,) and values.dtype == jnp.float32 and np.isfinite(values).all()
    assert metric.title and find_metric(metric.name) is metric


@every_metric
@pytest.mark.parametrize("targets", [(40, 2), (3,), (40, 6, 2), (6, 40), (40, 1)])
def test_targets_of_another_shape_are_refused_in_one_sentence(metric, targets):
    with pytest.raises(ModelError, match=f"{metric.name} needs .*, got outputs") as refused:
        metric.function(OUTPUTS, np.zeros(targets, np.int32))
    assert str(targets) in str(refused.value) and "\n" not in str(refused.value)


def test_an_unknown_metric_is_refused_with_the_near_ones():
    with pytest.raises(UnknownName, match=r"no metric is named 'acuracy' \(mine\); did you mean accuracy"):
        find_metric("acuracy", "mine")


def test_less_is_better_for_errors_and_losses_and_more_for_all_else():
    assert {name for name in METRICS if not higher_is_better(name)} == {"mean_squared_error", "mean_absolute_error"}
    assert not higher_is_better("validation_loss") and not higher_is_better("loss") and higher_is_better("test_f1")


def test_accuracies_are_those_of_the_sorted_outputs_and_ties_go_to_the_first_class():
    for k, metric in [(1, METRICS["accuracy"]), *TOPS.items()]:
        right = [label in ranked(row)[:k] for row, label in zip(OUTPUTS, LABELS, strict=True)]
        assert 0 < sum(right) < 40
        for targets in (LABELS, LABELS.astype(np.uint8), LABELS.astype(np.float32), np.eye(6, dtype=int)[LABELS]):
            np.testing.assert_array_equal(metric.function(jnp.asarray(OUTPUTS), jnp.asarray(targets)), right)


def test_as_many_choices_as_classes_are_always_right_and_more_are_refused():
    outputs = jnp.asarray(OUTPUTS[:, :5])
    np.testing.assert_array_equal(TOPS[5].function(outputs, LABELS % 5), 1)
    for k, metric in TOPS.items():
        with pytest.raises(ModelError, match=f"top_{k}_accuracy needs at least {k} classes"):
            metric.function(outputs[:, :k - 1], LABELS % (k - 1))


def test_infinite_outputs_are_ranked_and_an_answer_of_nan_or_a_label_of_no_class_is_never_right():
    labels = np.array([0, 1, 3, -1, 9])
    rows = jnp.asarray([[np.inf, -np.inf, 0, np.inf, 2], [np.nan] * 5, [1, 2, 3, np.nan, 5], [9, 1, 1, 1, 9], [1] * 5])
    np.testing.assert_array_equal(TOPS[2].function(rows, labels), [1, 0, 0, 0, 0])
    np.testing.assert_array_equal(METRICS["accuracy"].function(rows[3:], labels[3:]), 0)


def test_errors_are_means_over_the_outputs_of_an_example():
    outputs, targets = jnp.asarray([[1.0, 5.0], [0.0, -2.0]]), jnp.asarray([[2.0, 2.0], [0.0, 2.0]])
    np.testing.assert_array_equal(METRICS["mean_squared_error"].function(outputs, targets), [5, 8])
    np.testing.assert_array_equal(METRICS["mean_absolute_error"].function(outputs, targets), [2, 2])
    for o in (outputs[:, :1], outputs[:, 0]):
        for y in (targets[:, :1], targets[:, 0]):
            np.testing.assert_array_equal(METRICS["mean_squared_error"].function(o, y), [1, 0])


@given(st.integers(1, 6).flatmap(lambda classes: st.tuples(
    st.just(classes), st.lists(st.tuples(*[st.integers(0, classes - 1)] * 2), max_size=30))))
@settings(max_examples=100, deadline=None)
def test_scores_of_a_class_are_those_of_a_slow_count(drawn):
    classes, pairs = drawn
    matrix = confusion([true for true, _ in pairs], [given for _, given in pairs], classes)
    scores = per_class(matrix)
    kept = []
    for k in range(classes):
        right = sum(true == given == k for true, given in pairs)
        predicted, support = sum(given == k for _, given in pairs), sum(true == k for true, _ in pairs)
        precision, recall = (right / n if n else np.nan for n in (predicted, support))
        # from its definition, the harmonic mean, but for the classes where that is 0 / 0
        f1 = 2 * precision * recall / (precision + recall) if right else 0.0 if predicted + support else np.nan
        np.testing.assert_allclose([values[k] for values in scores], [precision, recall, f1, support], rtol=1e-14)
        kept += [(precision if predicted else 0.0, recall, f1)] if support else []
    means = [sum(column) / len(kept) for column in zip(*kept, strict=True)] if kept else [np.nan] * 3
    np.testing.assert_allclose(macro(matrix), means, rtol=1e-14)
    assert all(values.dtype == np.float64 for values in scores) and all(type(mean) is float for mean in macro(matrix))


def test_scores_of_three_classes_by_hand():
    # true 0: 3 as 0, 1 as 1; true 1: 2 as 1; class 2 occurs twice, taken for 0, and is never predicted
    matrix = confusion([0, 0, 0, 0, 1, 1, 2, 2], [0, 0, 0, 1, 1, 1, 0, 0], 3)
    np.testing.assert_array_equal(matrix, [[3, 1, 0], [0, 2, 0], [2, 0, 0]])
    scores = per_class(matrix)
    np.testing.assert_allclose(scores.precision, [3 / 5, 2 / 3, np.nan])
    np.testing.assert_allclose(scores.recall, [3 / 4, 1, 0])
    np.testing.assert_allclose(scores.f1, [2 / 3, 4 / 5, 0])
    np.testing.assert_array_equal(scores.support, [4, 2, 2])
    means = macro(matrix)
    assert means.precision == pytest.approx((3 / 5 + 2 / 3) / 3)
    assert (means.recall, means.f1) == pytest.approx((7 / 12, 22 / 45))


def test_a_class_that_never_occurs_says_nothing_about_the_means():
    # class 1 is predicted once and never true: precision 0, recall missing, and out of the means
    matrix = np.array([[3, 1], [0, 0]])
    scores = per_class(matrix)
    assert scores.precision[1] == 0 and np.isnan(scores.recall[1]) and scores.f1[1] == 0
    assert macro(matrix) == pytest.approx((1.0, 0.75, 6 / 7))


def test_labels_of_a_confusion_matrix_may_be_one_hot_rows_and_bytes():
    given = GENERATOR.integers(0, 6, size=40).astype(np.uint8)
    slow = np.zeros((6, 6), int)
    for label, answer in zip(LABELS, given, strict=True):
        slow[label, answer] += 1
    for labels in (LABELS, LABELS.astype(np.uint8), np.eye(6)[LABELS]):
        np.testing.assert_array_equal(confusion(labels, given, 6), slow)
    many = confusion(np.full(300, 199, np.uint8), np.full(300, 7, np.int8), 200)
    assert many[199, 7] == many.sum() == 300


@pytest.mark.parametrize("labels, predicted, told", [
    ([0, 3], [0, 1], r"label 3 of example 1 must be a whole number in 0 ... 2"),
    ([0, 1], [-1, 1], r"prediction -1 of example 0"),
    ([0, 0.5], [0, 1], r"label 0.5 of example 1"),
    ([0, np.nan], [0, 1], r"label nan of example 1"),
    ([0, 1], [0], r"one prediction a label, got labels \(2,\) and predictions \(1,\)"),
    ([[0, 1]], [0], r"got labels \(1, 2\)"),
])
def test_what_is_no_class_is_refused(labels, predicted, told):
    with pytest.raises(ModelError, match=told):
        confusion(labels, predicted, 3)
