"""Nets that compute in bfloat16 or float16: their sums, their weights and their checkpoints keep float32's digits."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import polars as pl
import pytest

import fallline
from fallline import Loss, Metric, Study
from fallline.training import checkpointing

DRAW = np.random.default_rng(0)
INPUTS = DRAW.normal(size=(999, 5)).astype(np.float32)
LABELS = (INPUTS @ DRAW.normal(size=(5, 3))).argmax(1)


def net(dtype, watch=None):
    def init(key):
        return {"w": (0.3 * jax.random.normal(key, (5, 3))).astype(dtype), "b": jnp.zeros(3, dtype)}

    def apply(weights, x):
        return x.astype(dtype) @ weights["w"] + weights["b"]

    return fallline.from_functions(init, apply, name="net", watch=watch)


def run(tmp_path, model, loss="softmax_cross_entropy", metrics=("accuracy",), **base):
    data = (INPUTS, LABELS)
    task = fallline.from_arrays("narrow", model=model, train=data, validation=data, loss=loss, metrics=list(metrics))
    study = Study(
        name="s",
        task=task,
        seeds=2,
        base={"optimizer": "gradient_descent", "learning_rate": 0.01, "batch_size": 50, "steps": 1} | base,
    )
    fallline.run(study, out=tmp_path)
    return pl.read_parquet(tmp_path / "trials" / "*.parquet").sort("seed")


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_losses_and_metrics_of_narrow_outputs_are_summed_in_float32(tmp_path, dtype):
    trials = run(tmp_path, net(dtype), metrics=["accuracy", "top_2_accuracy"])
    curves = pl.read_parquet(tmp_path / "curves" / "*.parquet").sort("trial", "step")
    for accuracy in trials["validation_accuracy"]:
        assert accuracy * 999 == pytest.approx(round(accuracy * 999), abs=1e-9)
    for accuracy in curves["train_accuracy"]:
        assert accuracy * 50 == pytest.approx(round(accuracy * 50), abs=1e-4)
    assert curves["train_loss"].dtype == pl.Float32 and curves["train_accuracy"].dtype == pl.Float32
    model = net(dtype)
    first = curves.filter(pl.col("step") == 0)["validation_loss"].to_list()
    outputs = [np.asarray(model.apply(weights, INPUTS), np.float64) for weights in _beginnings(model)]
    exact = [(np.log(np.exp(o).sum(1)) - o[np.arange(999), LABELS]).mean() for o in outputs]
    np.testing.assert_allclose(sorted(first), sorted(exact), rtol=2e-5)


def _beginnings(model):
    from fallline.training.cohort import WEIGHTS

    return [model.init(jax.random.fold_in(jax.random.key(seed), WEIGHTS)) for seed in (0, 1)]


def test_a_loss_and_a_metric_of_ones_own_that_narrow_are_summed_in_float32(tmp_path):
    def ones(outputs, targets):
        return (outputs[:, 0] * 0 + 1).astype(jnp.bfloat16)

    trials = run(tmp_path, net(jnp.float32), Loss("ones", ones), [Metric("ones_error", ones)])
    assert trials["validation_loss"].to_list() == trials["validation_ones_error"].to_list() == [1.0, 1.0]


@pytest.mark.parametrize("optimizer", ["gradient_descent", "adam", "ftrl", "lamb", "rmsprop", "lion"])
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_narrow_weights_are_kept_in_float32_and_learn_what_float32_learns(tmp_path, dtype, optimizer):
    """Steps of 1e-4 of a weight are lost in bfloat16; kept in float32 they add up."""
    watch = {"b0": lambda weights: weights["b"][0]}
    seen = {
        name: run(
            tmp_path / name,
            net(kind, lambda w: {n: f(w) for n, f in watch.items()}),
            optimizer=optimizer,
            learning_rate=1e-3,
            steps=60,
        )
        for name, kind in (("narrow", dtype), ("wide", jnp.float32))
    }
    kept = {name: pl.read_parquet(tmp_path / name / "weights" / "*.parquet") for name in seen}
    assert kept["narrow"]["values"].dtype == pl.List(pl.Float32)
    np.testing.assert_allclose(seen["narrow"]["validation_loss"], seen["wide"]["validation_loss"], rtol=0.01)
    assert seen["narrow"]["final_train_loss"].null_count() == 0
    biases = kept["narrow"].filter(pl.col("array") == "b")["values"].to_list()
    assert any(
        not np.array_equal(np.asarray(b, dtype), np.float32(b)) for b in biases
    )  # more digits than the narrow type has


def test_a_state_in_bfloat16_goes_to_a_checkpoint_and_back():
    leaf = np.asarray(jnp.array([1.5, -2.25, 3e38], jnp.bfloat16))
    kept = checkpointing._plain(leaf)
    assert kept.dtype == np.uint16
    np.testing.assert_array_equal(checkpointing._as_wanted(kept, leaf.dtype), leaf)


def test_an_equinox_net_with_a_bfloat16_state_trains_with_checkpoints(tmp_path, monkeypatch):
    class Net(eqx.Module):
        layer: eqx.nn.Linear
        norm: eqx.nn.BatchNorm

        def __init__(self, key):
            self.layer = eqx.nn.Linear(5, 3, key=key, dtype=jnp.bfloat16)
            self.norm = eqx.nn.BatchNorm(3, "batch", mode="batch", dtype=jnp.bfloat16)

        def __call__(self, x, state):
            return self.norm(self.layer(x.astype(jnp.bfloat16)), state)

    monkeypatch.setenv("FALLLINE_CHECKPOINT_SECONDS", "0")
    trials = run(tmp_path, fallline.from_equinox(lambda key: Net(key), name="normed"), steps=30, optimizer="adam")
    assert trials["validation_accuracy"].min() > 0.3
