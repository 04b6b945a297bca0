"""The built-in studies run in their quick preset, and say what studies.md wants them to say."""

import math
import os
from functools import cache
from pathlib import Path

import polars as pl
import pytest

import fallline
from fallline.errors import DataError
from fallline.study import builtin_studies

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
