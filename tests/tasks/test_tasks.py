"""Contract tests over every task, and the ways to make one's own."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fallline
from fallline.contracts import Splits
from fallline.errors import ModelError, UnknownName
from fallline.losses import find_loss
from fallline.metrics.accuracy import accuracy
from fallline.models import from_equinox, from_functions
from fallline.tasks import builtin_tasks, find_task


@pytest.mark.parametrize("name", sorted(builtin_tasks()))
def test_every_task_learns_what_its_contract_says(name):
    task = builtin_tasks()[name]
    splits = task.data("sample", None)
    assert isinstance(splits, Splits) and task.title and task.name == name
    inputs, targets = splits.train.inputs[:4], splits.train.targets[:4]
    weights = task.model.init(jax.random.key(0))
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(weights))
    prepared = jnp.asarray(inputs) if task.prepare is None else task.prepare(jnp.asarray(inputs))
    state = task.model.start_state(jax.random.key(1))
    hyperparameters = {number.name: number.default for number in task.model.hyperparameters}

    def apply(weights, inputs):
        return task.model.run(weights, state, inputs, None, hyperparameters)[0]

    outputs = apply(weights, prepared)
    loss = find_loss(task.loss)
    assert loss.function(outputs, jnp.asarray(targets)).shape == (4,)
    assert all(metric(outputs, jnp.asarray(targets)).shape == (4,) for metric in task.metrics.values())
    gradient = jax.grad(lambda w: loss(apply(w, prepared), jnp.asarray(targets)))(weights)
    assert any(jnp.abs(leaf).max() > 0 for leaf in jax.tree.leaves(gradient))
    assert task.examples.get("sample", len(splits.train.inputs)) == len(splits.train.inputs)
    assert not task.classes or outputs.shape == (4, len(task.classes))
    for split in (splits.train, splits.validation, splits.test):
        assert split is None or len(split.inputs) == len(split.targets) > 0


def test_the_line_starts_where_the_reports_did():
    line = find_task("line")
    inputs, targets = line.data("sample", None).train
    outputs = line.model.apply(line.model.init(jax.random.key(0)), inputs)
    assert float(find_loss("sum_of_squares")(outputs, targets)) == pytest.approx(23.66)


def test_accuracy_reads_labels_and_one_hot_rows_alike():
    outputs = jnp.array([[0.1, 2.0, 0.0], [3.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    labels = jnp.array([1, 2, 0])
    np.testing.assert_array_equal(accuracy(outputs, labels), [1, 0, 1])
    np.testing.assert_array_equal(accuracy(outputs, jax.nn.one_hot(labels, 3)), [1, 0, 1])


def test_an_equinox_module_trains_as_it_would_by_hand(tmp_path):
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(32, 4)).astype(np.float32)
    targets = (inputs[:, 0] > 0).astype(np.int32)

    def make(key):
        return eqx.nn.MLP(4, 2, width_size=8, depth=1, key=key)

    task = fallline.from_arrays(
        "halves",
        model=from_equinox(make, name="mlp"),
        train=(inputs, targets),
        loss="softmax_cross_entropy",
        metrics=["accuracy"],
    )
    study = fallline.Study(
        name="mlp",
        task=task,
        metric="final_train_loss",
        seeds=[4],
        base={"optimizer": "gradient_descent", "learning_rate": 0.5, "batch_size": "all", "steps": 5},
    )
    curve = fallline.run(study, tmp_path).curves["train_loss"].to_list()

    from fallline.training.cohort import WEIGHTS

    module = make(jax.random.fold_in(jax.random.key(4), WEIGHTS))
    by_hand = []
    for _ in range(6):

        def value(module):
            logits = jax.vmap(module)(inputs)
            return -jnp.take_along_axis(jax.nn.log_softmax(logits), targets[:, None], 1).mean()

        loss, gradient = eqx.filter_value_and_grad(value)(module)
        by_hand.append(float(loss))
        module = eqx.apply_updates(module, jax.tree.map(lambda g: -0.5 * g, gradient))
    np.testing.assert_allclose(curve, by_hand, rtol=1e-5)


def test_watched_scalars_of_a_module_are_recorded(tmp_path):
    task = fallline.from_arrays(
        "watched",
        model=from_equinox(
            lambda key: eqx.nn.Linear(2, 1, key=key), name="linear", watch=lambda module: {"bias": module.bias[0]}
        ),
        train=(np.ones((4, 2), np.float32), np.zeros((4, 1), np.float32)),
        loss="squared_error",
    )
    study = fallline.Study(
        name="w", task=task, metric="final_train_loss", base={"optimizer": "adam", "batch_size": "all", "steps": 3}
    )
    curves = fallline.run(study, tmp_path).curves
    assert curves["bias"].n_unique() == 4 and curves["bias"].null_count() == 0


GOOD = (np.zeros((4, 3), np.float32), np.zeros(4, np.int32))
LINEAR = from_functions(lambda key: {"W": jnp.zeros((2, 3))}, lambda w, x: x @ w["W"].T)


@pytest.mark.parametrize(
    "wrong, part",
    [
        (dict(train=(np.full((4, 3), np.nan), GOOD[1])), "train inputs hold nan at index (0, 0)"),
        (dict(train=(GOOD[0], GOOD[1][:3])), "as many targets as inputs"),
        (dict(train=(GOOD[0][:0], GOOD[1][:0])), "at least one"),
        (dict(train=(np.array([["a"]]), np.zeros(1))), "must be numbers"),
        (dict(test=([1, 2], [[1], [1, 2]])), "test must be a pair (inputs, targets) of arrays"),
        (dict(model=lambda key: None), "model must be a fallline.Model, got function"),
        (dict(metrics=["acuracy"]), "did you mean accuracy"),
    ],
)
def test_what_is_wrong_with_a_task_is_said_when_it_is_made(wrong, part):
    values = dict(model=LINEAR, train=GOOD, loss="softmax_cross_entropy") | wrong
    with pytest.raises((ModelError, UnknownName)) as told:
        fallline.from_arrays("own", **values)
    assert part in str(told.value)


@pytest.mark.parametrize(
    "changes, part",
    [
        (
            dict(model=from_functions(lambda key: {"W": jnp.zeros((2, 5))}, lambda w, x: x @ w["W"].T)),
            "fails on a batch of inputs",
        ),
        (dict(model=from_functions(lambda key: {}, lambda w, x: x)), "has no weights"),
        (dict(train=(GOOD[0], np.array([0, 1, 2, 0]))), "train label 2 of example 2 must lie in 0 ... 1"),
        (
            dict(metrics={"mean_error": lambda outputs, targets: outputs.mean()}),
            "metric mean_error must give one value per example",
        ),
        (dict(loss=fallline.Loss("whole", lambda o, t: o.sum())), "loss whole must give one value per example"),
    ],
)
def test_what_is_wrong_with_a_model_is_said_before_anything_is_trained(tmp_path, changes, part):
    task = fallline.from_arrays("own", **(dict(model=LINEAR, train=GOOD, loss="softmax_cross_entropy") | changes))
    study = fallline.Study(name="own", task=task, base={"optimizer": "adam", "steps": 2, "batch_size": 2})
    with pytest.raises(ModelError) as told:
        fallline.run(study, tmp_path / "run")
    assert part in str(told.value)
    assert not (tmp_path / "run").exists(), "nothing was run, so nothing is left behind"
