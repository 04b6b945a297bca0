"""ROC, precision-recall and reliability curves against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn import metrics
from sklearn.calibration import calibration_curve

from fallline.metrics.calibration import expected_calibration_error
from fallline.metrics.ranking import average_precision
from fallline.stats.operating_points import (
    FALSE_POSITIVE_RATES,
    RECALLS,
    recall_curve,
    recall_points,
    reliability,
    roc_curve,
    roc_points,
)


def problem(classes: int, n: int = 400, seed: int = 0, digits: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities with many equal values, and labels that they predict somewhat."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    logits = rng.normal(size=(n, classes)) + 1.3 * (labels[:, None] == np.arange(classes))
    p = np.round(np.exp(logits) / np.exp(logits).sum(1, keepdims=True), digits)
    return p, labels


@pytest.mark.parametrize("digits", [1, 2, 9])
def test_thresholds_are_those_of_scikit_learn(digits):
    p, labels = problem(2, digits=digits)
    false, true = roc_points(p[:, 1], labels == 1)
    theirs = metrics.roc_curve(labels, p[:, 1], drop_intermediate=False)
    np.testing.assert_allclose(false, theirs[0], atol=1e-12)
    np.testing.assert_allclose(true, theirs[1], atol=1e-12)
    recall, precision = recall_points(p[:, 1], labels == 1)
    precisions, recalls, _ = metrics.precision_recall_curve(labels, p[:, 1])
    np.testing.assert_allclose(recall[::-1], recalls[:-1], atol=1e-12)
    np.testing.assert_allclose(precision[::-1], precisions[:-1], atol=1e-12)


def test_a_drawn_roc_curve_is_scikit_learns_at_its_points():
    p, labels = problem(2, digits=9)
    false, true, _ = metrics.roc_curve(labels, p[:, 1], drop_intermediate=False)
    inner = ~np.isin(FALSE_POSITIVE_RATES, false)  # at a jump theirs has two values
    np.testing.assert_allclose(
        roc_curve(p, labels)[inner], np.interp(FALSE_POSITIVE_RATES, false, true)[inner], atol=1e-12
    )
    for at in np.flatnonzero(~inner):
        assert roc_curve(p, labels)[at] == true[false == FALSE_POSITIVE_RATES[at]].max()


def test_many_classes_are_the_mean_of_each_against_the_rest():
    p, labels = problem(4)
    singles = [roc_curve(np.stack([1 - p[:, k], p[:, k]], 1), (labels == k).astype(int)) for k in range(4)]
    np.testing.assert_allclose(roc_curve(p, labels), np.mean(singles, axis=0), atol=1e-12)
    area = np.trapezoid(roc_curve(p, labels), FALSE_POSITIVE_RATES)
    theirs = metrics.roc_auc_score(labels, p / p.sum(1, keepdims=True), multi_class="ovr")
    assert area == pytest.approx(theirs, abs=2e-3)


def test_the_steps_of_a_precision_recall_curve_have_the_average_precision_as_area():
    p, labels = problem(3, n=300)
    area = np.mean(recall_curve(p, labels)[1:])  # steps of one length
    assert area == pytest.approx(average_precision(p, labels), abs=5e-3)


def test_by_hand():
    p = np.array([[0.1, 0.9], [0.4, 0.6], [0.3, 0.7], [0.8, 0.2]])
    labels = np.array([1, 1, 0, 0])
    np.testing.assert_array_equal(roc_points(p[:, 1], labels == 1), [[0, 0, 0.5, 0.5, 1], [0, 0.5, 0.5, 1, 1]])
    np.testing.assert_allclose(recall_points(p[:, 1], labels == 1), [[0.5, 0.5, 1, 1], [1, 0.5, 2 / 3, 0.5]])
    curve = dict(zip(RECALLS.round(2), recall_curve(p, labels), strict=True))
    assert (curve[0.0], curve[0.5], curve[0.51], curve[1.0]) == pytest.approx((1, 1, 2 / 3, 2 / 3))
    found = reliability(p, labels, bins=2)
    np.testing.assert_array_equal(found.count, [0, 4])
    assert (found.confidence[1], found.accuracy[1]) == pytest.approx((0.75, 0.75)) and found.expected_error == 0


def test_reliability_is_scikit_learns_for_the_confidence():
    p, labels = problem(2, digits=9)
    found = reliability(p, labels)
    right, confidence = (p.argmax(1) == labels).astype(int), p.max(1)
    accuracies, confidences = calibration_curve(right, confidence, n_bins=15)
    own = found.count > 0
    np.testing.assert_allclose(found.accuracy[own], accuracies, atol=1e-12)
    np.testing.assert_allclose(found.confidence[own], confidences, atol=1e-12)
    many, of_four = problem(4, digits=9)
    assert reliability(many, of_four).expected_error == pytest.approx(expected_calibration_error(many, of_four))


def test_one_class_has_no_curve():
    p, _ = problem(2, n=20)
    assert np.isnan(roc_curve(p, np.zeros(20, int))).all() and np.isnan(recall_curve(p, np.zeros(20, int))).all()
