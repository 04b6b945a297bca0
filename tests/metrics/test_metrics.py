"""Metrics against slow loops over examples and classes, and against calculations by hand."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fallline
from fallline import Metric, Study
from fallline.errors import ModelError, StudyError, UnknownName
from fallline.metrics import builtin_metrics, find_metric, goal_of, higher_is_better
from fallline.metrics.per_class import confusion, macro, per_class
from fallline.stats import primary, summary
from fallline.study import builtin_studies, load_study

METRICS = builtin_metrics()
TOPS = {2: METRICS["top_2_accuracy"], 3: METRICS["top_3_accuracy"], 5: METRICS["top_5_accuracy"]}
every_metric = pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS.keys())
PER_EXAMPLE = {name: metric for name, metric in METRICS.items() if not metric.whole}

GENERATOR = np.random.default_rng(11)
# few different values, so that ties are common
OUTPUTS = GENERATOR.integers(0, 4, size=(40, 6)).astype(np.float32)
LABELS = GENERATOR.integers(0, 6, size=40).astype(np.int32)


def ranked(row):
    """The classes from the largest output to the smallest, of equal ones the first class first."""
    return sorted(range(len(row)), key=lambda k: (-row[k], k))


@pytest.mark.parametrize("metric", PER_EXAMPLE.values(), ids=PER_EXAMPLE.keys())
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
    assert {name for name in METRICS if not higher_is_better(name)} == {
        *("mean_squared_error", "mean_absolute_error", "rmse", "mape"),
        *("log_loss", "perplexity", "brier_score", "expected_calibration_error"),
    }
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
            metric.function(outputs[:, : k - 1], LABELS % (k - 1))


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


@given(
    st.integers(1, 6).flatmap(
        lambda classes: st.tuples(
            st.just(classes), st.lists(st.tuples(*[st.integers(0, classes - 1)] * 2), max_size=30)
        )
    )
)
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


@pytest.mark.parametrize(
    "labels, predicted, told",
    [
        ([0, 3], [0, 1], r"label 3 of example 1 must be a whole number in 0 ... 2"),
        ([0, 1], [-1, 1], r"prediction -1 of example 0"),
        ([0, 0.5], [0, 1], r"label 0.5 of example 1"),
        ([0, np.nan], [0, 1], r"label nan of example 1"),
        ([0, 1], [0], r"one prediction per label, got labels \(2,\) and predictions \(1,\)"),
        ([[0, 1]], [0], r"got labels \(1, 2\)"),
    ],
)
def test_what_is_no_class_is_refused(labels, predicted, told):
    with pytest.raises(ModelError, match=told):
        confusion(labels, predicted, 3)


# Which way is better.


@pytest.mark.parametrize(
    "name",
    [
        "accuracy",
        "validation_accuracy",
        "AUC",
        "macro_f1",
        "test_macro_f1",
        "top_5_accuracy",
        "precision",
        "balanced_accuracy",
        "r2",
        "best_validation_recall",
        "psnr",
        "hit_rate",
    ],
)
def test_more_is_better_of_what_is_known_for_it(name):
    assert goal_of(name) == "max" and higher_is_better(name)


@pytest.mark.parametrize(
    "name",
    [
        "rmse",
        "val_rmse",
        "RMSE",
        "mae",
        "mape",
        "nll",
        "perplexity",
        "brier",
        "brier_score",
        "ece",
        "error_rate",
        "false_positive_rate",
        "train_loss",
        "logloss",
        "myerror",
        "mse",
        "final_train_loss",
        "validation_loss_at_20",
        "word_error_rate",
        "test_cross_entropy",
    ],
)
def test_less_is_better_of_what_is_known_for_it(name):
    assert goal_of(name) == "min" and not higher_is_better(name)


@pytest.mark.parametrize(
    "name",
    [
        "margin",
        "gap",
        "win_rate",
        "neg_mse",
        "negative_rmse",
        "one_minus_accuracy",
        "score",
        "inaccuracy",
        "validation_gap",
        "rate",
        "",
    ],
)
def test_of_any_other_name_nothing_is_guessed(name):
    assert goal_of(name) is None


def test_what_is_declared_goes_before_the_name():
    assert goal_of("validation_gap", {"gap": "min"}) == "min" and goal_of("best_test_gap", {"gap": "max"}) == "max"
    assert goal_of("accuracy", {"accuracy": "min"}) == "min"


def test_every_built_in_metric_and_every_built_in_study_says_which_way_is_better():
    assert all(metric.goal == goal_of(name) for name, metric in METRICS.items())
    for name in builtin_studies():
        study = load_study(name)
        columns = [study.metric, *([study.target.metric] if study.target else [])]
        assert all(goal_of(column) for column in columns), name


def test_a_goal_is_min_or_max():
    with pytest.raises(StudyError, match=r'goal must be "min" \(less is better\) or "max", got \'less\''):
        Metric("gap", lambda outputs, targets: outputs, goal="less")


INPUTS = np.linspace(-1, 1, 40, dtype=np.float32)[:, None]


def gap(outputs, targets):
    return abs(outputs[:, 0] - targets)


def measured(tmp_path, *metrics, **more):
    model = fallline.from_functions(lambda key: {"w": jnp.float32(0)}, lambda w, x: w["w"] * x, name="slope")
    data = (INPUTS, 2 * INPUTS[:, 0])
    task = fallline.from_arrays(
        "slope", model=model, train=data, validation=data, loss="squared_error", metrics=more.pop("of_task", ())
    )
    study = Study(
        **{
            "name": "s",
            "task": task,
            "metrics": list(metrics),
            "seeds": 2,
            "evaluate_every": 10,
            "base": {"optimizer": "gradient_descent", "steps": 30},
            "axes": {"learning_rate": [0.001, 0.1]},
        }
        | more
    )
    return fallline.run(study, out=tmp_path / "run")


def test_a_metric_of_which_less_is_better_ranks_so_and_the_run_folder_knows_it(tmp_path):
    measured(
        tmp_path,
        Metric("gap", gap, goal="min"),
        metric="validation_gap",
        target={"metric": "validation_gap", "value": 0.5},
    )
    records = fallline.open_run(tmp_path / "run").records
    assert records.study.goals == {"gap": "min"} and not primary(records).up
    ranked = summary(records)
    assert ranked["learning_rate"].to_list() == [0.1, 0.001] and ranked["rank"].to_list() == [1, 2]
    trials = records.trials
    assert trials["best_validation_gap"].to_list() == trials["validation_gap"].to_list()  # falling to the end
    steps = trials.sort("learning_rate")["steps_to_target"].to_list()
    assert steps[:2] == [None, None] and 0 < steps[2] == steps[3]


def test_a_metric_of_ones_own_in_a_task_says_its_goal_too(tmp_path):
    for place, written in enumerate(([Metric("gap", gap, goal="min")], {"gap": Metric("gap", gap, goal="min")})):
        run = measured(tmp_path / str(place), of_task=written, metric="validation_gap")
        assert not primary(run.records).up and run.records.study.goals == {"gap": "min"}


def test_a_goal_may_stand_in_the_study(tmp_path):
    run = measured(tmp_path, of_task={"gap": gap}, metric="validation_gap", goals={"gap": "min"})
    assert not primary(run.records).up


@pytest.mark.parametrize("written", [{"metrics": [Metric("gap", gap)]}, {"of_task": {"gap": gap}}])
def test_a_metric_that_says_neither_is_refused_before_anything_is_trained(tmp_path, written):
    written = dict(written)
    metrics = written.pop("metrics", [])
    with pytest.raises(
        StudyError,
        match=r"the name of metric gap of task slope does not say whether lower or higher is better; write "
        r"fallline\.Metric\('gap', function, goal=\"min\"\).*\[goals\] gap = \"min\"",
    ):
        measured(tmp_path, *metrics, **written)
    assert not (tmp_path / "run").exists()


def test_a_metric_without_a_name_is_refused_with_what_to_write():
    with pytest.raises(ModelError, match=r'has no name; write metrics=\{"NAME": function\}, or fallline\.Metric'):
        fallline.from_arrays(
            "t",
            model=fallline.from_functions(lambda key: {}, lambda w, x: x),
            train=(INPUTS, INPUTS),
            metrics=[gap],
            loss="squared_error",
        )
