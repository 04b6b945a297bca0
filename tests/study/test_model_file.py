"""``model = "nets.py:make"`` trains a model of the user's file on a task's data, by name, here and in jobs."""

from __future__ import annotations

import importlib.util

import pytest

import fallline
from fallline.errors import StudyError

STUDY = """
name = "named"
task = "mnist-softmax"
model = "nets.py:{name}"
metric = "validation_loss"
keep_weights = "best"

[base]
optimizer = "adam"
batch_size = 50
steps = 6

[axes]
learning_rate = [0.01, 0.001]
"""
NETS = """
import equinox as eqx
import jax
import jax.numpy as jnp

import fallline


class Net(eqx.Module):
    layer: eqx.nn.Linear

    def __init__(self, key):
        self.layer = eqx.nn.Linear(784, 10, key=key)

    def __call__(self, x):
        return self.layer(x.reshape(-1))


zero = fallline.from_functions(lambda key: {"W": jnp.zeros((784, 10))}, lambda w, x: x.reshape(len(x), -1) @ w["W"])
number = 3


def two(one, other):
    pass


def text():
    return "no module"


def fails():
    raise RuntimeError("no weights today")
"""
TORCH = """
from torch import nn


def make_net():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
"""


def write(folder, name, nets=NETS):
    (folder / "nets.py").write_text(nets)
    (folder / "study.toml").write_text(STUDY.format(name=name))
    return folder / "study.toml"


@pytest.mark.parametrize("name", ["Net", "zero"])
def test_a_model_of_a_file_trains_on_the_data_of_a_task(name, tmp_path):
    result = fallline.run(write(tmp_path, name), tmp_path / "run")
    trials = result.trials
    assert set(trials["status"]) == {"done"} and trials["validation_accuracy"].min() > 0.15
    assert trials["task"][0].startswith(f"mnist-softmax-{name}-") and trials["parameters"][0] in (7850, 7840)
    assert result.weights()


def test_a_changed_file_is_another_task_and_the_same_one_is_not_trained_again(tmp_path):
    path = write(tmp_path, "zero")
    first = fallline.run(path, tmp_path / "run")
    again = fallline.run(path, tmp_path / "run")
    assert again.trials["trial"].to_list() == first.trials["trial"].to_list()
    write(tmp_path, "zero", NETS.replace("(784, 10)", "(784, 10), jnp.float32"))
    changed = fallline.run(path, tmp_path / "run")
    assert not set(changed.trials["trial"]) & set(first.trials["trial"])


def test_jobs_find_the_file(tmp_path):
    result = fallline.run(write(tmp_path, "zero"), tmp_path / "run", executor="local", options={"jobs": 1})
    assert set(result.trials["status"]) == {"done"}


@pytest.mark.parametrize(
    "name, said",
    [
        ("Nett", "nets.py holds nothing named Nett"),
        ("number", "number is of type int; a model is a fallline.Model, or a class or function"),
        ("two", r"two needs 2 arguments \(one, other\)"),
        ("text", r"text\(\) gives str; a function without arguments makes"),
        ("fails", r"fails\(\) fails: RuntimeError: no weights today"),
    ],
)
def test_what_is_no_model_is_refused_with_what_to_write(name, said, tmp_path):
    with pytest.raises(StudyError, match=said):
        fallline.load_study(write(tmp_path, name)).trials()


def test_a_name_without_a_file_is_refused(tmp_path):
    with pytest.raises(StudyError, match=r"model: must be 'file.py:name'"):
        fallline.Study(name="a", task="line", model="net", base={"optimizer": "adam", "steps": 1})
    path = write(tmp_path, "zero")
    (tmp_path / "nets.py").unlink()
    with pytest.raises(StudyError, match=r"there is no file .*nets\.py"):
        fallline.load_study(path).trials()


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
def test_a_module_of_pytorch_by_name(tmp_path):
    result = fallline.run(write(tmp_path, "make_net", TORCH), tmp_path / "run")
    assert set(result.trials["status"]) == {"done"}
    assert {name for name in result.weights()} == {"1.weight", "1.bias"}
