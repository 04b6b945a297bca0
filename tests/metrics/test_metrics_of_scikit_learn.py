"""The metrics that people expect, against scikit-learn."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from fallline.contracts import Metric
from fallline.errors import ModelError
from fallline.metrics import builtin_metrics, goal_of
from fallline.metrics.in_units import InUnits

score = pytest.importorskip("sklearn.metrics")

METRICS = builtin_metrics()
RNG = np.random.default_rng(3)
CASES = [(n, classes, ties) for n in (25, 400) for classes in (2, 4) for ties in (False, True)]
cases = pytest.mark.parametrize(("n", "classes", "ties"), CASES)


def drawn(n: int, classes: int, ties: bool) -> tuple[np.ndarray, np.ndarray]:
    """Logits [n, classes] in float64 and labels [n] of classes that all occur, the first the most common."""
    labels = np.minimum(RNG.geometric(0.5, n) - 1, classes - 1)
    labels[:classes] = range(classes)
    logits = RNG.normal(size=(n, classes)) + 1.5 * np.eye(classes)[labels]
    return (np.round(logits) if ties else logits), labels


def value(metric: Metric, outputs: np.ndarray, targets: np.ndarray) -> float:
    return float(np.mean(np.asarray(metric.at(0.0)(outputs, targets), np.float64)))


def expected(logits: np.ndarray, y: np.ndarray) -> dict[str, float]:
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    choice, classes = p.argmax(1), p.shape[1]
    one_hot = np.eye(classes)[y]
    binary = classes == 2
    return {
        "accuracy": score.accuracy_score(y, choice),
        "balanced_accuracy": score.balanced_accuracy_score(y, choice),
        "macro_f1": score.f1_score(y, choice, average="macro"),
        "weighted_f1": score.f1_score(y, choice, average="weighted"),
        "roc_auc": score.roc_auc_score(y, p[:, 1]) if binary else score.roc_auc_score(y, p, multi_class="ovr"),
        "average_precision": (
            score.average_precision_score(y, p[:, 1])
            if binary
            else score.average_precision_score(one_hot, p, average="macro")
        ),
        "log_loss": score.log_loss(y, p),
        "perplexity": np.exp(score.log_loss(y, p)),
        "brier_score": score.brier_score_loss(y, p[:, 1] if binary else p),
    } | ({} if binary else {"top_2_accuracy": score.top_k_accuracy_score(y, p, k=2)})


@cases
def test_classifiers_are_scored_as_in_scikit_learn(n, classes, ties):
    logits, labels = drawn(n, classes, ties)
    for name, wanted in expected(logits, labels).items():
        if ties and name == "top_2_accuracy":  # of equal outputs scikit-learn takes the last class first
            continue
        for targets in (labels, np.eye(classes)[labels]):
            assert value(METRICS[name], logits, targets) == pytest.approx(wanted, rel=1e-9, abs=1e-12), name


@cases
def test_compiled_in_float32_the_metrics_of_an_example_are_the_same(n, classes, ties):
    logits, labels = drawn(n, classes, ties)
    values = jax.jit(METRICS["brier_score"].at(0.0))(logits.astype(np.float32), labels.astype(np.int32))
    assert values.shape == (n,) and values.dtype == np.float32
    assert float(np.mean(values)) == pytest.approx(expected(logits, labels)["brier_score"], rel=1e-6)


def test_one_logit_per_example_is_scored_as_two():
    logits, labels = drawn(200, 2, False)
    one = (logits[:, 1] - logits[:, 0])[:, None]
    for name, wanted in expected(logits, labels).items():
        for targets in (labels, labels[:, None].astype(np.float32)):
            assert value(METRICS[name], one, targets) == pytest.approx(wanted, rel=1e-9), name


def test_a_model_that_gives_probabilities_is_scored_as_one_that_gives_their_logs():
    logits, labels = drawn(60, 4, False)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    for name in ("roc_auc", "log_loss", "brier_score", "expected_calibration_error"):
        metric = METRICS[name]
        given = float(np.mean(metric.at(0.5, "probabilities")(p, labels)))
        assert given == pytest.approx(value(metric, logits, labels), rel=1e-9)


def test_calibration_is_the_sum_over_bins_of_the_gap_times_their_share():
    logits, labels = drawn(500, 3, False)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    confidence, right = p.max(1), p.argmax(1) == labels
    total = 0.0
    for k in range(15):
        inside = (confidence > k / 15) & (confidence <= (k + 1) / 15)
        total += abs(right[inside].mean() - confidence[inside].mean()) * inside.mean() if inside.any() else 0.0
    assert value(METRICS["expected_calibration_error"], logits, labels) == pytest.approx(total, rel=1e-9)


@pytest.mark.parametrize("outputs", [1, 3])
def test_regressions_are_scored_as_in_scikit_learn_and_in_the_units_of_the_targets(outputs):
    y = RNG.normal(50, 20, size=(80, outputs))
    o = y + RNG.normal(0, 5, size=y.shape)
    wanted = {
        "r2": score.r2_score(y, o),
        "rmse": score.root_mean_squared_error(y, o),
        "mape": score.mean_absolute_percentage_error(y, o),
        "mean_absolute_error": score.mean_absolute_error(y, o),
        "mean_squared_error": score.mean_squared_error(y, o),
    }
    shift, scale = tuple(y.mean(0)), tuple(y.std(0))
    for name, expected_value in wanted.items():
        function = METRICS[name].at(0.0)
        assert float(np.mean(function(o, y), dtype=np.float64)) == pytest.approx(expected_value, rel=1e-9)
        scaled = InUnits(function, shift, scale)((o - shift) / scale, (y - shift) / scale)
        assert float(np.mean(scaled)) == pytest.approx(expected_value, rel=1e-9)


def test_what_is_undefined_is_nan():
    logits = np.array([[0.0, 1.0], [2.0, 1.0]])
    assert np.isnan(value(METRICS["roc_auc"], logits, np.array([1, 1])))
    assert np.isnan(value(METRICS["average_precision"], logits, np.array([0, 0])))
    assert np.isnan(value(METRICS["r2"], np.array([1.0, 2.0]), np.array([3.0, 3.0])))


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.whole])
def test_a_metric_of_a_whole_split_says_its_goal_and_refuses_other_shapes(name):
    metric = METRICS[name]
    assert metric.title and metric.goal == goal_of(name)
    with pytest.raises(ModelError, match=f"{name} needs .*, got outputs"):
        metric.function(np.zeros((40, 6)), np.zeros((3,), np.int32))
