"""Trained weights are kept where a study asks, and come back into the module of their framework."""

from __future__ import annotations

import equinox as eqx
import jax
import numpy as np
import polars as pl
import pytest

import fallline
from fallline.errors import ModelError, StoreError, StudyError
from fallline.training import cohort
from framework_nets import example_nets

RANDOM = np.random.default_rng(5)
CENTRES = RANDOM.normal(size=(3, 6))


def digits(count: int) -> tuple[np.ndarray, np.ndarray]:
    labels = RANDOM.integers(0, 3, count)
    return (CENTRES[labels] + RANDOM.normal(size=(count, 6))).astype(np.float32), labels


TRAIN, VALIDATION, TEST = digits(120), digits(60), digits(50)


def study(model: fallline.Model, **fields) -> fallline.Study:
    return fallline.Study(
        name="kept",
        task=fallline.from_arrays(
            "blobs",
            model=model,
            train=TRAIN,
            validation=VALIDATION,
            test=TEST,
            loss="softmax_cross_entropy",
            metrics=["accuracy"],
        ),
        base={"steps": 12, "batch_size": 20},
        axes={"optimizer": ["adam", "momentum"], "learning_rate": [0.01, 0.1]},
        **{"seeds": 2} | fields,
    )


class Tied(eqx.Module):
    """One layer used twice, a permutation of the inputs that is drawn, and batch normalisation."""

    first: eqx.nn.Linear
    again: eqx.nn.Linear
    last: eqx.nn.Linear
    order: jax.Array
    norm: eqx.nn.BatchNorm

    def __init__(self, key):
        one, two, three = jax.random.split(key, 3)
        self.first = eqx.nn.Linear(6, 6, key=one)
        self.again = self.first
        self.last = eqx.nn.Linear(6, 3, key=two)
        self.order = jax.random.permutation(three, 6)
        self.norm = eqx.nn.BatchNorm(6, "batch", mode="batch")

    def __call__(self, x, state):
        x, state = self.norm(self.first(x[self.order]), state)
        return self.last(self.again(jax.nn.relu(x))), state


def accuracy(outputs) -> float:
    return float((np.asarray(outputs).argmax(1) == TEST[1]).mean())


def recorded(result, trial: str) -> float:
    return result.trials_with_test().filter(trial=trial)["test_accuracy"].item()


def test_weights_go_back_into_an_equinox_module_with_ties_state_and_drawn_arrays(tmp_path):
    result = fallline.run(study(fallline.from_equinox(Tied)), tmp_path / "run")
    for trial in result.trials["trial"]:
        made = eqx.nn.make_with_state(Tied)(jax.random.key(9))
        module, state = result.load_into(made, trial)
        calm = eqx.nn.inference_mode(module)
        outputs = jax.vmap(calm, axis_name="batch", in_axes=(0, None), out_axes=(0, None))(TEST[0], state)[0]
        assert accuracy(outputs) == pytest.approx(recorded(result, trial))
        assert not np.array_equal(module.last.weight, made[0].last.weight)
    with pytest.raises(ModelError, match=r"do not fit Linear.*Make the module as the study did"):
        result.load_into(eqx.nn.Linear(6, 3, key=jax.random.key(0)))
    with pytest.raises(
        ModelError, match=r"torch\.nn\.Module, flax\.nnx\.Module, keras\.Model or equinox\.Module, got dict"
    ):
        result.load_into({})


def images_study(model: fallline.Model) -> fallline.Study:
    return fallline.Study(
        name="images",
        task=fallline.from_arrays(
            "images",
            model=model,
            train=(IMAGES, PLACES),
            test=(IMAGES[:16], PLACES[:16]),
            loss="softmax_cross_entropy",
            metrics=["accuracy"],
        ),
        metric="final_train_loss",
        base={"optimizer": "adam", "steps": 3, "batch_size": 16, "learning_rate": 0.01},
        keep_weights="all",
    )


IMAGES, PLACES = RANDOM.uniform(size=(32, 28, 28)).astype(np.float32), RANDOM.integers(0, 10, 32)


@pytest.mark.parametrize("framework", ["flax", "keras"])
def test_weights_go_back_into_modules_of_flax_and_keras(framework, tmp_path):
    make = example_nets()[framework]
    if framework == "flax":
        from flax import nnx

        model = fallline.from_flax(make)
        module = make(nnx.Rngs(7))
    else:
        model = fallline.from_keras(make, dropout_rate=0.1)
        module = make()
    result = fallline.run(images_study(model), tmp_path / "run")
    assert result.load_into(module) is module
    if framework == "flax":
        module.eval()
    outputs = module(IMAGES[:16]) if framework == "flax" else module(IMAGES[:16], training=False)
    expected = result.trials_with_test()["test_loss"].item()
    logs = jax.nn.log_softmax(np.asarray(outputs))
    assert -np.asarray(logs)[np.arange(16), PLACES[:16]].mean() == pytest.approx(expected, rel=1e-4)


def mlp(width: int) -> fallline.Model:
    return fallline.from_equinox(lambda key: eqx.nn.MLP(6, 3, width, 1, key=key))


def kept(result) -> set[str]:
    return set(result.records.weights.select("trial").collect()["trial"])


def test_the_study_says_whose_weights_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(cohort, "KEPT_WEIGHTS", 10)
    none = fallline.run(study(mlp(8)), tmp_path / "default")
    assert not kept(none)
    with pytest.raises(StoreError, match='keep_weights = "all"'):
        none.weights()
    every = fallline.run(study(mlp(8), keep_weights="all"), tmp_path / "all")
    assert kept(every) == set(every.trials["trial"])
    some = fallline.run(study(mlp(8), keep_weights="best"), tmp_path / "best")
    best = some.trials.sort("validation_loss").unique("optimizer", keep="first")
    assert kept(some) == set(best["trial"]) and len(best) == 2
    first = some.trials.sort("validation_loss")["trial"][0]
    for name, values in some.weights().items():
        np.testing.assert_array_equal(values, every.weights(first)[name])
    other = next(iter(set(some.trials["trial"]) - kept(some)))
    with pytest.raises(StoreError, match=f"no weights of trial {other} were kept"):
        some.weights(other)


def test_weights_that_are_not_wanted_are_not_kept_and_the_plan_counts_their_bytes(tmp_path):
    none = fallline.run(study(mlp(8), keep_weights="none"), tmp_path / "none")
    assert not kept(none) and not (tmp_path / "none/weights").exists()
    disk = {keep: fallline.plan_study(study(mlp(64), keep_weights=keep)).disk_bytes for keep in ("none", "best", "all")}
    weights = 4 * (6 * 64 + 64 + 64 * 3 + 3)
    probabilities = 4 * 60 * 3 * 2 * 2  # of validation, of the best setting of each optimizer at both seeds
    assert disk["all"] - disk["none"] == pytest.approx(8 * weights + probabilities)
    assert disk["best"] - disk["none"] == pytest.approx(2 * weights + probabilities)
    with pytest.raises(StudyError, match="keep_weights"):
        study(mlp(8), keep_weights="some")


def test_a_diverged_trial_keeps_none_and_the_best_is_another(tmp_path):
    diverging = fallline.run(
        study(mlp(8)).with_({"axes": {"optimizer": ["momentum"], "learning_rate": [0.01, 1e30]}}), tmp_path / "run"
    )
    finished = diverging.trials.filter(pl.col("status") == "done")
    assert kept(diverging) == set(finished["trial"]) and len(finished) == 2
    assert diverging.weights()
