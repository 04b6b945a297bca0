"""What the best trials give on validation is kept once weights are, agrees with the records, and chooses nothing."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn import metrics

import fallline
from fallline.report.figures import drawn, specs
from fallline.stats.analysis import Analysis
from fallline.stats.best_of import best_of
from fallline.stats.columns import configurations
from fallline.stats.outputs import PROBABILITIES, VALUES, kept_outputs
from fallline.training import outputs as outputs_module
from framework_nets import example_nets

RANDOM = np.random.default_rng(3)
CENTRES = RANDOM.normal(size=(3, 6))
FIGURES = ("roc", "precision_recall_curve", "calibration", "residuals")


def blobs(count: int, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    labels = RANDOM.integers(0, classes, count)
    return (CENTRES[labels] + 1.5 * RANDOM.normal(size=(count, 6))).astype(np.float32), labels


def task(classes: int = 3, **fields) -> fallline.Task:
    arrays = {"train": blobs(120, classes), "validation": blobs(70, classes), "test": blobs(50, classes)}
    loss = {"loss": "softmax_cross_entropy", "metrics": ["accuracy", "roc_auc"]}
    return fallline.from_arrays("blobs", **{"model": fallline.models.mlp(6, 8, 3), **arrays, **loss, **fields})


def study(task: fallline.Task, **fields) -> fallline.Study:
    return fallline.Study(
        name="kept",
        task=task,
        base={"steps": 25, "batch_size": 20},
        axes={"optimizer": ["adam", "momentum"], "learning_rate": [0.003, 0.1]},
        **{"seeds": 3, "metric": "validation_roc_auc"} | fields,
    )


def shown(result) -> dict:
    return {name: drawn(result.records, spec) for name, spec in specs(result.records).items() if name in FIGURES}


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    return fallline.run(study(task()), tmp_path_factory.mktemp("three") / "run")


def test_probabilities_are_those_of_the_best_configurations_at_every_seed(three):
    found = kept_outputs(three.records, PROBABILITIES)
    best = best_of(three.records)
    assert [one.configuration for one in found] == [key for key in best["configuration"] for _ in range(3)]
    assert [one.seed for one in found] == [0, 1, 2] * 2 and {(one.kept, one.of) for one in found} == {(3, 3)}
    assert set(three.records.outputs["split"]) == {"validation"}
    rows = {row["trial"]: row for row in three.trials.iter_rows(named=True)}
    given = three.records.predictions.filter(pl.col("split") == "validation").collect()
    predicted = dict(given.select("trial", "predicted").iter_rows())
    for one in found:
        assert one.values.shape == (70, 3)
        np.testing.assert_allclose(one.values.sum(1), 1, atol=1e-6)
        np.testing.assert_array_equal(one.values.argmax(1), predicted[one.trial])
        auc = metrics.roc_auc_score(one.targets, one.values / one.values.sum(1, keepdims=True), multi_class="ovr")
        assert rows[one.trial]["validation_roc_auc"] == pytest.approx(auc, abs=1e-6)


def test_the_test_set_is_read_for_none_of_it(three):
    figures = shown(three)
    assert list(figures) == list(FIGURES[:3]) and not three.records.paths.test_reads.exists()
    for figure in figures.values():
        assert "70 examples of the validation split" in figure.caption and "test" not in figure.caption


def test_areas_and_errors_under_the_figures_are_the_recorded_metrics(three):
    figures = shown(three)
    means = configurations(three.records).group_by("configuration").agg(pl.col("validation_roc_auc").mean())
    best = best_of(three.records).join(means, on="configuration", maintain_order="left", suffix="_now")
    areas = figures["roc"].frame.unique("color_place", maintain_order=True)["area"].to_list()
    assert areas == pytest.approx(best["validation_roc_auc"].to_list(), abs=1e-6)
    frame = figures["calibration"].frame
    of_first = frame.filter(pl.col("color_place") == frame["color_place"][0])
    assert of_first["count"].sum() == 3 * 70 and of_first["share"].sum() == pytest.approx(1)
    band = figures["roc"].frame
    assert ((band["low"] <= band["y"] + 1e-9) & (band["y"] <= band["high"] + 1e-9)).all()


def test_two_classes_from_one_output_and_from_two(tmp_path):
    inputs, labels = blobs(90, 2)
    arrays = {"train": (inputs, labels.astype(np.float32)), "validation": (inputs, labels.astype(np.float32))}
    single = fallline.from_functions(init, apply)
    binary = fallline.from_arrays("yes", model=single, **arrays, loss="sigmoid_cross_entropy", metrics=["accuracy"])
    result = fallline.run(study(binary, metric="validation_accuracy"), tmp_path / "one")
    for one in kept_outputs(result.records, PROBABILITIES):
        assert one.values.shape == (90, 2) and set(one.targets) == {0, 1}
        right = ((one.values[:, 1] > 0.5) == one.targets).mean()
        row = result.trials.filter(trial=one.trial)
        assert row["validation_accuracy"].item() == pytest.approx(right, abs=1e-6)
    assert "roc" in shown(result)


def init(key):
    import jax

    return {"w": 0.1 * jax.random.normal(key, (6,)), "b": jax.numpy.float32(0)}


def apply(weights, inputs):
    return inputs @ weights["w"] + weights["b"]


def test_numbers_come_back_in_the_units_of_the_targets(tmp_path):
    x = RANDOM.normal(size=(200, 2))
    y = 1000 + 40 * x[:, 0] - 25 * x[:, 1] + 5 * RANDOM.normal(size=200)
    table = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "price": y})
    table.write_csv(tmp_path / "prices.csv")
    data = {"csv": str(tmp_path / "prices.csv"), "target": ["price"], "model": "mlp"}
    plain = fallline.Study(
        name="prices", data=data, base={"steps": 60, "batch_size": 32, "optimizer": "adam"}, seeds=2
    ).with_({"axes": {"learning_rate": [0.01, 0.1]}})
    result = fallline.run(plain, tmp_path / "run")
    found = kept_outputs(result.records, VALUES)
    assert len(found) == 2
    for one in found:
        row = result.trials.filter(trial=one.trial)
        rmse = metrics.root_mean_squared_error(one.targets, one.values)
        assert row["validation_rmse"].item() == pytest.approx(rmse, rel=1e-5) and 900 < one.targets.mean() < 1100
    figure = shown(result)["residuals"]
    dots = figure.frame.filter(pl.col("what") == "dot")
    np.testing.assert_allclose(dots["residual"], dots["predicted"] - dots["true"])
    assert figure.table is not None and figure.table.columns[-3:] == ["RMSE", "mean absolute error", "R2"]
    assert "price" in str(figure.specification)


@pytest.mark.parametrize("framework", ["equinox", "flax", "keras"])
def test_models_of_frameworks_are_found_by_the_names_of_their_arrays(framework, tmp_path):
    make, adapt = example_nets()[framework], getattr(fallline, f"from_{framework}")
    images = RANDOM.uniform(size=(30, 28, 28)).astype(np.float32)
    labels = RANDOM.integers(0, 10, 30)
    pairs = {"train": (images, labels), "validation": (images, labels)}
    of_images = fallline.from_arrays(
        "images", model=adapt(make), **pairs, loss="softmax_cross_entropy", metrics=["accuracy"]
    )
    base = {"steps": 3, "batch_size": 10, "optimizer": "adam", "learning_rate": 0.01}
    result = fallline.run(
        fallline.Study(name="nets", task=of_images, base=base, seeds=1, keep_weights="all"), tmp_path / "run"
    )
    (one,) = kept_outputs(result.records, PROBABILITIES)
    given = result.records.predictions.filter(pl.col("split") == "validation").collect()["predicted"][0]
    np.testing.assert_array_equal(one.values.argmax(1), given.to_numpy())


def test_outputs_of_a_loss_of_values_are_no_probabilities(tmp_path):
    inputs, labels = blobs(90, 2)
    pair = inputs, labels.astype(np.float32)
    linear = fallline.from_functions(init, apply)
    yes = fallline.from_arrays(
        "yes", model=linear, train=pair, validation=pair, loss="squared_error", metrics=["accuracy"]
    )
    result = fallline.run(study(yes, metric="validation_accuracy"), tmp_path / "run")
    assert result.records.predictions.collect().height
    assert not kept_outputs(result.records, PROBABILITIES) and "roc" not in shown(result)


def test_without_weights_nothing_is_kept_and_with_the_best_it_is_said(tmp_path):
    none = fallline.run(study(task(), keep_weights="none"), tmp_path / "none")
    assert not none.records.paths.outputs.exists() and not Analysis.of(none.records).outputs(PROBABILITIES)
    best = fallline.run(study(task(), keep_weights="best"), tmp_path / "best")
    kept = {one.optimizer: (one.kept, one.of) for one in kept_outputs(best.records, PROBABILITIES)}
    if any(own < of for own, of in kept.values()):
        assert "weights of" in shown(best)["roc"].caption


def test_of_many_examples_some_are_kept_the_same_for_all_trials(tmp_path, monkeypatch):
    monkeypatch.setattr(outputs_module, "MOST_EXAMPLES", 40)
    result = fallline.run(study(task()), tmp_path / "run")
    found = kept_outputs(result.records, PROBABILITIES)
    assert {one.values.shape for one in found} == {(40, 3)}
    labels = result.records.answers.filter(pl.col("split") == "validation")["labels"][0].to_numpy()
    places = np.sort(np.random.default_rng(0).choice(70, 40, replace=False))
    for one in found:
        np.testing.assert_array_equal(one.targets, labels[places])


def test_a_lost_file_is_made_again_and_more_trials_make_it_anew(tmp_path):
    blobs_task = task()
    first = fallline.run(study(blobs_task, seeds=2), tmp_path / "run")
    path = first.records.paths.outputs
    before = pl.read_parquet(path)
    path.unlink()
    fallline.run(study(blobs_task, seeds=2), tmp_path / "run", resume=True)
    assert pl.read_parquet(path).equals(before)
    wider = fallline.run(study(blobs_task, seeds=4), tmp_path / "run", resume=True)
    assert {one.of for one in kept_outputs(wider.records, PROBABILITIES)} == {4}
