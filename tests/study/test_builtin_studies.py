"""The built-in studies run in their quick preset, and say what studies.md wants them to say."""

import math
import os
from functools import cache
from pathlib import Path

import polars as pl
import pytest
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score, root_mean_squared_error

import fallline
from fallline.errors import DataError
from fallline.report.figures import drawn, specs
from fallline.study import Figure, builtin_studies

QUICK = sorted(builtin_studies())


# These take 20 to 40 s with their five seeds, and run the same programs with one.
ONE_SEED = {name for name in QUICK if name.split("/")[0] in ("convnet", "workers")}


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """Gives the result of a quick preset, which runs once, when it is first asked for."""
    home = tmp_path_factory.mktemp("runs")

    @cache
    def run(name):
        return fallline.run(quick(name), home / name.replace("/", "-"))

    return run


def quick(name):
    study = fallline.load_study(name).preset("quick")
    return study.with_({"seeds": 1}) if name in ONE_SEED else study


@pytest.mark.parametrize("name", QUICK)
def test_every_quick_preset_ends_with_all_its_trials(result, name):
    try:
        ended = result(name)
    except DataError as missing:
        if name == "mlp/cifar":  # nothing of CIFAR-10 may ship in the package
            pytest.skip(str(missing))
        raise
    assert set(ended.trials["trial"]) == {t.name for t in quick(name).trials()}
    assert ended.records.missing == []
    done = ended.trials.filter(status="done")
    assert done["final_train_loss"].is_finite().all() and len(done) > 0


def test_a_lower_rate_converges_more_slowly_on_the_line(result):
    trials = result("line/learning-rates").trials.sort("learning_rate", descending=True)
    assert trials["final_train_loss"].is_sorted()
    curve = result("line/learning-rates").curves.join(trials.select("trial", "learning_rate"), on="trial")
    slow = curve.filter(learning_rate=1e-6).sort("step")
    assert slow["train_loss"][-1] > 10, "1e-6 has not converged after 3,000 epochs"
    assert slow["b"][-1] < slow["b"][0] < 1.0, "b first moves away from its optimum, 1"
    assert slow["train_loss"][0] == pytest.approx(23.66)


def test_rmsprop_on_the_line_is_where_the_report_saw_it_after_330_steps(result):
    ended = result("line/optimizers")
    (trial,) = ended.trials.filter(optimizer="rmsprop", learning_rate=0.01, centered=0.0)["trial"]
    curve = ended.curves.filter(trial=trial)
    assert curve.filter(step=330)["train_loss"].item() == pytest.approx(0.001349, abs=2e-4)


def test_at_a_hundredth_momentum_nesterov_and_gradient_descent_end_lowest(result):
    trials = result("line/optimizers").trials.filter(learning_rate=0.01).sort("final_train_loss")
    lowest = trials.filter(pl.col("optimizer") != "proximal_gradient_descent")["optimizer"].to_list()[:3]
    assert set(lowest) == {"momentum", "nesterov", "gradient_descent"}


def test_proximal_gradient_descent_without_regularisation_is_gradient_descent(result):
    trials = result("line/optimizers").trials
    plain, proximal = (
        trials.filter(optimizer=name).sort("learning_rate")["final_train_loss"].to_list()
        for name in ("gradient_descent", "proximal_gradient_descent")
    )
    assert plain[3:] == proximal[3:] == [None, None], "rates of 0.1 and 1 diverge in both"
    assert plain[:3] == pytest.approx(proximal[:3], rel=1e-6, abs=1e-9)


def test_the_softmax_layer_learns_digits_from_the_sample(result):
    trials = result("softmax/optimizers").trials_with_test()
    best = trials.group_by("optimizer", "learning_rate").agg(pl.col("test_accuracy", "validation_loss").mean())
    adam = best.filter(optimizer="adam").sort("validation_loss").row(0, named=True)
    assert adam["test_accuracy"] > 0.85 and adam["learning_rate"] in (0.005, 0.01, 0.05)
    start = result("softmax/optimizers").curves.filter(step=0)
    assert start["train_loss"].to_list() == pytest.approx([math.log(10)] * len(start), rel=1e-6)


def test_a_linear_model_and_a_net_classify_the_tumours_and_the_net_is_surer_on_validation(result):
    ended = result("table/classification")
    best = (
        ended.trials_with_test()
        .group_by("model", "learning_rate")
        .agg(pl.col("validation_loss", "test_accuracy").mean())
    )
    first = {row["model"]: row for row in best.sort("validation_loss", descending=True).iter_rows(named=True)}
    assert first["mlp"]["validation_loss"] < first["linear"]["validation_loss"] < 0.06
    assert all(0.9 < row["test_accuracy"] < 1 for row in first.values()), (
        "published: 0.975, in ten-fold cross-validation"
    )
    (rows,) = ended.records.pipelines.values()
    assert sum(rows["rows"].values()) == 569 and sum(rows["class_counts"].values()) == rows["rows"]["train"]
    figures = set(specs(ended.records))
    assert figures == {"sensitivity", "roc", "precision_recall_curve", "calibration", "confusion"}
    areas = drawn(ended.records, Figure(kind="roc")).frame["area"]
    assert (areas > 0.98).all()


def test_the_progression_of_diabetes_is_predicted_about_as_well_as_least_squares_does(result):
    """On the same split least squares on all columns has the errors that a net must come near."""
    ended = result("table/regression")
    study = quick("table/regression")
    splits = study.trials()[0].task.data("full", None)
    scale = ended.records.pipelines["diabetes"]["target"]["scale"][0]
    linear = LinearRegression().fit(*splits.train)
    least = scale * root_mean_squared_error(splits.validation.targets, linear.predict(splits.validation.inputs))
    means = ended.trials.group_by("optimizer", "learning_rate").agg(pl.col("validation_rmse").mean())
    assert means["validation_rmse"].min() == pytest.approx(least, rel=0.1)
    assert set(specs(ended.records)) == {"sensitivity", "residuals"}


def test_the_published_errors_of_diabetes_are_those_of_scikit_learns_example():
    x, y = load_diabetes(return_X_y=True)
    index = x[:, 2:3]  # the body mass index
    predicted = LinearRegression().fit(index[:-20], y[:-20]).predict(index[-20:])
    values = {one.metric: one.value for one in fallline.load_study("table/regression").reported}
    assert values["test_rmse"] == pytest.approx(root_mean_squared_error(y[-20:], predicted), abs=0.005)
    assert values["test_r2"] == pytest.approx(r2_score(y[-20:], predicted), abs=0.005)


@pytest.mark.skipif(
    not (Path(os.environ.get("FALLLINE_DATA", "")) / "mnist").is_dir(),
    reason="the full MNIST is not here; name its folder in FALLLINE_DATA",
)
def test_on_the_full_data_the_reported_accuracy_is_reached(tmp_path):
    study = fallline.load_study("softmax/optimizers").with_(
        {"seeds": 2, "axes": {"optimizer": ["adam", "gradient_descent"], "learning_rate": [0.5, 0.005]}}
    )
    result = fallline.run(study, tmp_path)
    mean = (
        result.trials_with_test()
        .group_by("optimizer", "learning_rate")
        .agg(pl.col("test_loss", "test_accuracy").mean())
    )
    for name, rate, loss, accuracy in (("adam", 0.005, 0.30, 0.92), ("gradient_descent", 0.5, 0.33, 0.91)):
        row = mean.filter(optimizer=name, learning_rate=rate).row(0, named=True)
        assert abs(row["test_accuracy"] - accuracy) < 0.02 and abs(row["test_loss"] - loss) < 0.03
