"""Recipes: every part of one does what it says in a trained cohort, whoever the lane's neighbours are."""

import jax
import jax.numpy as jnp
import numpy as np
import polars as pl
import pytest

import fallline
from fallline.engine.program import Layout
from fallline.errors import HyperparameterError, StudyError, UnknownName
from fallline.models.dropout import dropout, dropout_rate
from fallline.study.plan import plan, rebuild
from fallline.training.arrays import load_arrays
from fallline.training.cohort import CompiledCohort
from fallline.training.programs import Programs

rng = np.random.default_rng(11)
INPUTS = rng.normal(size=(200, 6)).astype(np.float32)
LABELS = (INPUTS[:, 0] > 0).astype(np.int32) + (INPUTS[:, 1] > 0)


def noisy_net():
    """Two layers with dropout between them, and a running mean of the hidden values as state."""

    def init(key):
        first, second = jax.random.split(key)
        return {"in": jax.random.normal(first, (8, 6)) * 0.5, "out": jax.random.normal(second, (3, 8)) * 0.5}

    def forward(weights, state, inputs, key, hyperparameters):
        hidden = jnp.tanh(inputs @ weights["in"].T)
        if key is not None:
            state = {"mean": 0.9 * state["mean"] + 0.1 * hidden.mean(0)}
        return dropout(hidden - state["mean"], hyperparameters["dropout_rate"], key) @ weights["out"].T, state

    return fallline.Model(
        "noisy-net",
        init,
        forward=forward,
        state=lambda key: {"mean": jnp.zeros(8)},
        hyperparameters=(dropout_rate(0.3),),
    )


def task(model=None, name="noisy"):
    return fallline.from_arrays(
        name,
        model=model or noisy_net(),
        train=(INPUTS[:120], LABELS[:120]),
        validation=(INPUTS[120:160], LABELS[120:160]),
        test=(INPUTS[160:], LABELS[160:]),
        loss="softmax_cross_entropy",
        metrics=["accuracy"],
        classes=("a", "b", "c"),
    )


def study(base=None, axes=None, **more):
    fields = {"name": "recipes", "task": task(), "evaluate_every": 5}
    base = {"optimizer": "adam", "learning_rate": 0.02, "batch_size": 20, "steps": 20} | (base or {})
    if "epochs" in base:
        del base["steps"]
    return fallline.Study(**(fields | more), base=base, axes=axes or {})


def run(tmp_path, *args, **more):
    return fallline.run(study(*args, **more), tmp_path / "run")


def curve(result, **where):
    trials = result.trials
    for name, value in where.items():
        trials = trials.filter(pl.col(name) == value)
    assert trials.height == 1
    return result.curves.filter(pl.col("trial") == trials["trial"][0]).sort("step")


def losses_of(planned, layout):
    """The training losses of a planned cohort, [steps, lanes]."""
    from fallline.engine.training import train

    ready = CompiledCohort(planned, load_arrays(planned.task, planned.data, None), Programs(), None, layout)
    return train(ready.program, ready.work(planned.seeds)).curves["loss"][0][:, 0]


@pytest.mark.parametrize("layout", [Layout(1, True, 1, 10), Layout(1, False, 1, 1, loop=False)])
def test_a_trial_is_the_same_alone_in_a_cohort_of_three_and_of_sixteen(layout):
    axes = {"optimizer": ["adam", "momentum"], "learning_rate": [0.05, 0.02, 0.01, 0.001], "dropout_rate": [0.3, 0.6]}
    base = {"l2_penalty": 0.01, "clip_norm": 1.0, "schedule": "cosine", "label_smoothing": 0.1, "ema_decay": 0.5}
    (whole,) = plan(study(base, axes).trials())
    assert whole.lanes == 16
    together = losses_of(whole, layout)
    columns = list(zip(*whole.trials, strict=True))
    for lanes in ([9], [3, 9, 12], [15, 0]):
        part = rebuild("part", [[column[0] for column in (columns[lane] for lane in lanes)]])
        np.testing.assert_allclose(losses_of(part, layout)[:20], together[:20, lanes], rtol=1e-5)


def test_noise_hangs_on_the_seed_and_the_step_not_on_the_place():
    axes = {"learning_rate": [0.02, 0.01], "dropout_rate": [0.5]}
    (both,) = plan(study({}, axes).trials())
    layout = Layout(1, True, 1, 10)
    one = losses_of(both, layout)
    turned = rebuild("turned", [[row[1], row[0]] for row in both.trials])
    np.testing.assert_array_equal(one, losses_of(turned, layout)[:, ::-1])
    other = plan(study({}, axes, seeds=[1]).trials())[0]
    assert not np.allclose(one[0], losses_of(other, layout)[0])


def test_dropout_zero_is_the_net_without_noise(tmp_path):
    result = run(tmp_path, {}, {"dropout_rate": [0.0, 0.5]})
    calm, noisy = (curve(result, dropout_rate=rate)["train_loss"].to_numpy() for rate in (0.0, 0.5))
    assert not np.allclose(calm[:5], noisy[:5])
    weights = task().model.init(jax.random.fold_in(jax.random.key(0), 0x77676874))
    from fallline.batching import BatchPolicy, BatchStream

    batch = BatchStream(BatchPolicy(20), 120, 0).indices(0, 1, 20)[0]
    hidden = np.tanh(INPUTS[batch] @ np.asarray(weights["in"]).T)
    logits = (hidden - 0.1 * hidden.mean(0)) @ np.asarray(weights["out"]).T
    expected = (np.log(np.exp(logits).sum(1)) - logits[np.arange(20), LABELS[batch]]).mean()
    assert calm[0] == pytest.approx(expected, rel=1e-5)


def plain_net():
    def init(key):
        return {"W": jax.random.normal(key, (3, 6)) * 0.3}

    return fallline.from_functions(init, lambda w, x: x @ w["W"].T, name="plain")


def by_hand(steps, rate, penalty=lambda w: 0.0, factor=lambda k: 1.0, change=lambda w, g: g, decay=0.0):
    """Gradient descent in float64 on all 120 examples; the losses before each step, and the weights after the last."""
    key = jax.random.fold_in(jax.random.key(0), 0x77676874)
    w = np.asarray(jax.random.normal(key, (3, 6)) * 0.3, np.float64)
    x, y, losses = INPUTS[:120].astype(np.float64), np.eye(3)[LABELS[:120]], []
    for k in range(steps + 1):
        z = x @ w.T
        p = np.exp(z - z.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        losses.append(-np.log(p[y > 0]).mean())
        g = change(w, (p - y).T @ x / len(x) + penalty(w))
        last, w = w, w - rate * factor(k) * (g + decay * w)
    return np.array(losses), last


@pytest.mark.parametrize(
    ("hyperparameters", "hand"),
    [
        ({"l2_penalty": 0.3}, {"penalty": lambda w: 0.3 * w}),
        ({"l1_penalty": 0.05}, {"penalty": lambda w: 0.05 * np.sign(w)}),
        ({"weight_decay": 0.2}, {"decay": 0.2}),
        ({"clip_norm": 0.1}, {"change": lambda w, g: g * min(1, 0.1 / np.sqrt((g * g).sum()))}),
        ({"schedule": "exponential", "decay_rate": 0.5, "decay_steps": 4}, {"factor": lambda k: 0.5 ** (k / 4)}),
        ({"schedule": "exponential", "decay_rate": 0.5, "decay_epochs": 4}, {"factor": lambda k: 0.5 ** (k / 4)}),
        (
            {"schedule": "piecewise", "boundary_steps": [5], "factors": [1.0, 0.1]},
            {"factor": lambda k: 1.0 if k <= 5 else 0.1},
        ),
        ({"warmup_steps": 10, "workers": 4}, {"factor": lambda k: 4 * min(1, k / 10)}),
    ],
    ids=lambda value: next(iter(value)),
)
def test_each_part_of_a_recipe_is_its_equation(tmp_path, hyperparameters, hand):
    base = {"optimizer": "gradient_descent", "learning_rate": 0.5, "batch_size": "all"} | hyperparameters
    result = run(tmp_path, base, task=task(plain_net(), "plain"))
    expected, _ = by_hand(20, 0.5, **hand)
    plain, _ = by_hand(20, 0.5)
    assert not np.allclose(expected, plain, rtol=1e-3), "the part must make a difference"
    np.testing.assert_allclose(result.curves.sort("step")["train_loss"], expected, rtol=2e-5)


def test_label_smoothing_is_a_number_of_the_loss(tmp_path):
    base = {"optimizer": "gradient_descent", "learning_rate": 0.5, "batch_size": "all"}
    result = run(tmp_path, base, {"label_smoothing": [0.0, 0.3]}, task=task(plain_net(), "plain"))
    assert result.trials["loss_kind"].n_unique() == 2 and result.trials["cohort"].n_unique() == 1


def test_the_average_of_the_weights_is_what_is_evaluated(tmp_path):
    base = {"optimizer": "gradient_descent", "learning_rate": 0.5, "batch_size": "all", "steps": 8}
    result = run(tmp_path, base, {"ema_decay": [0.0, 0.8]}, task=task(plain_net(), "plain"), evaluate_every=8)
    averaged = []
    for steps in range(9):
        weights = by_hand(steps, 0.5)[1]
        averaged.append(weights if steps == 0 else 0.8 * averaged[-1] + 0.2 * weights)
    for decay, weights in ((0.0, by_hand(8, 0.5)[1]), (0.8, averaged[-1])):
        z = INPUTS[120:160] @ weights.T
        expected = (np.log(np.exp(z).sum(1)) - z[np.arange(40), LABELS[120:160]]).mean()
        found = result.trials.filter(pl.col("ema_decay") == decay)["validation_loss"][0]
        assert found == pytest.approx(expected, rel=1e-5)
    train = [curve(result, ema_decay=decay)["train_loss"].to_list() for decay in (0.0, 0.8)]
    assert train[0] == train[1], "training itself does not see the average"


def test_patience_stops_lanes_and_the_rest_go_on(tmp_path):
    base = {"optimizer": "gradient_descent", "batch_size": "all", "steps": 60}
    # At rate 0 the validation loss never gets better: patience 2 ends it at the second look after the first.
    axes = {"learning_rate": [1e-30, 0.02], "early_stop": [2]}
    result = run(tmp_path, base, axes, task=task(plain_net(), "plain"))
    still, moving = (result.trials_with_test().filter(pl.col("learning_rate") == rate) for rate in (1e-30, 0.02))
    assert still["status"][0] == "stopped" and still["stopped_at"][0] == 10 and still["steps"][0] == 60
    assert moving["status"][0] == "done"
    assert curve(result, learning_rate=1e-30)["step"].max() == 10
    assert still["test_loss"][0] is not None and still["final_train_loss"][0] is not None


def test_a_block_whose_lanes_all_stopped_ends_at_once_and_resumes_as_it_was(tmp_path):
    base = {
        "optimizer": "gradient_descent",
        "batch_size": "all",
        "steps": 100_000,
        "learning_rate": 1e-30,
        "early_stop": 3,
    }
    result = run(tmp_path, base, task=task(plain_net(), "plain"))
    assert result.trials["stopped_at"][0] == 15 and result.curves["step"].max() == 15


def test_reduce_on_plateau_lowers_the_rate_of_the_lane_that_stands_still(tmp_path):
    base = {
        "optimizer": "gradient_descent",
        "batch_size": "all",
        "steps": 40,
        "learning_rate": 30.0,
        "plateau_factor": 0.1,
        "patience": 1,
    }
    result = run(tmp_path, base, {"schedule": ["constant", "reduce_on_plateau"]}, task=task(plain_net(), "plain"))
    wild, tamed = (
        curve(result, schedule=name)["validation_loss"].drop_nulls() for name in ("constant", "reduce_on_plateau")
    )
    assert tamed[-1] < wild[-1]


def test_sizes_that_change_with_the_epoch_compile_a_bounded_number_of_programs(tmp_path):
    base = {"batch_size": "3 + 2*epoch", "epochs": 25, "last_batch": "kept"}
    (planned,) = plan(study(base, task=task(plain_net(), "plain")).trials())
    programs = Programs()
    ready = CompiledCohort(
        planned, load_arrays(planned.task, planned.data, None), programs, None, Layout(1, True, 1, 10)
    )
    from fallline.engine.training import train

    records = train(ready.program, ready.work((0,)))
    sizes = {int(size) for size in ready.stream(0).sizes(0, planned.recipe.steps)}
    assert len(sizes) > 20 and len(ready.widths) <= 8
    assert ready.program.traces <= 3 + len(ready.widths)
    assert np.isfinite(records.curves["loss"][0]).all()


def test_batches_of_a_model_with_a_state_are_never_filled_up(tmp_path):
    base = {"batch_size": 50, "last_batch": "kept", "epochs": 2}
    (planned,) = plan(study(base).trials())
    arrays = load_arrays(planned.task, planned.data, None)
    ready = CompiledCohort(planned, arrays, Programs())
    assert ready.widths == (20, 50) and not ready.masked
    assert run(tmp_path, base).trials["status"][0] == "done"
    with pytest.raises(StudyError, match="cannot be padded"):
        run(tmp_path / "more", {"batch_size": "3 + 2*epoch", "epochs": 25})


def test_the_fill_of_a_batch_changes_nothing(tmp_path):
    """Batches of 50 of 120, the last of 20 kept: each loss is the mean over the examples that count."""
    base = {
        "optimizer": "gradient_descent",
        "learning_rate": 1e-30,
        "batch_size": 50,
        "order": "file",
        "last_batch": "kept",
        "steps": 6,
    }
    result = run(tmp_path, base, task=task(plain_net(), "plain"))
    _, weights = by_hand(0, 0.0)
    z = INPUTS[:120] @ weights.T
    each = np.log(np.exp(z).sum(1)) - z[np.arange(120), LABELS[:120]]
    expected = [each[:50].mean(), each[50:100].mean(), each[100:].mean()] * 2
    np.testing.assert_allclose(result.curves.sort("step")["train_loss"][:6], expected, rtol=1e-5)


def test_a_budget_in_epochs_is_one_in_steps(tmp_path):
    result = run(tmp_path, {"epochs": 3, "batch_size": 40})
    row = result.trials.row(0, named=True)
    assert (row["steps"], row["epochs"], row["examples_seen"], row["train_examples"]) == (9, 3.0, 360, 120)


def test_the_classes_given_are_kept_with_the_labels_and_the_worst_examples(tmp_path):
    result = run(tmp_path, {}, {"learning_rate": [0.02, 0.0001]}, seeds=2)
    records = result.records
    predicted = pl.concat(pl.read_parquet(path) for path in (tmp_path / "run/predictions").glob("*.parquet"))
    assert sorted(predicted["split"].unique()) == ["test", "validation"] and predicted.height == 8
    answers = pl.read_parquet(next((tmp_path / "run/answers").glob("*.parquet")))
    truth = np.array(answers.filter(pl.col("split") == "test")["labels"][0])
    np.testing.assert_array_equal(truth, LABELS[160:])
    for trial, given in predicted.filter(pl.col("split") == "test").select("trial", "predicted").iter_rows():
        accuracy = (np.array(given) == truth).mean()
        assert records.trials.filter(pl.col("trial") == trial)["test_accuracy"][0] == pytest.approx(accuracy)
    worst = pl.read_parquet(tmp_path / "run/mistakes.parquet")
    assert worst["wrong"].max() <= 4 and (worst["trials"] == 4).all()


def test_a_metric_of_ones_own_is_one_function(tmp_path):
    def margin(outputs, targets):
        right = jnp.take_along_axis(outputs, targets[:, None], 1)[:, 0]
        return right - outputs.mean(1)

    result = run(tmp_path, metrics=["top_2_accuracy", fallline.Metric("margin", margin, goal="max")])
    row = result.trials_with_test().row(0, named=True)
    assert row["test_top_2_accuracy"] >= row["test_accuracy"] and np.isfinite(row["validation_margin"])


def test_losses_of_a_whole_batch_train_and_are_evaluated(tmp_path):
    result = run(tmp_path, {"loss": "quadratic_weighted_kappa", "steps": 60, "last_batch": "kept", "batch_size": 50})
    losses = result.curves.sort("step")["train_loss"]
    assert losses[:3].mean() > losses[-3:].mean() and result.trials_with_test()["test_loss"][0] is not None


@pytest.mark.parametrize(
    ("base", "axes", "kind", "said"),
    [
        ({"dropout_rate": 1.0}, {}, HyperparameterError, r"dropout_rate must lie in \[0, 1\)"),
        ({"batch_size": "open('x')"}, {}, StudyError, "batch_size"),
        ({"batch_size": 500}, {}, StudyError, "120"),
        ({"schedule": "exponentail"}, {}, UnknownName, "exponential"),
        ({"schedule": "exponential"}, {}, (StudyError, HyperparameterError), "decay_steps"),
        ({}, {"pos_weight": [0.5]}, StudyError, "pos_weight is a hyperparameter of loss weighted_cross_entropy"),
        ({"loss": "weighted_cross_entropy", "pos_weight": -1}, {}, HyperparameterError, "pos_weight"),
        ({"epochs": 0}, {}, HyperparameterError, "epochs"),
        ({"subset": 500}, {}, StudyError, "120"),
        ({"order": "sorted"}, {}, UnknownName, "shuffled"),
        ({"precision": "float16"}, {}, UnknownName, "bfloat16"),
        ({"precision": "bfloat16"}, {}, StudyError, "this is a CPU"),
    ],
)
def test_what_cannot_be_is_told_with_its_place(tmp_path, base, axes, kind, said):
    with pytest.raises(kind, match=said):
        run(tmp_path, base, axes)


def test_both_budgets_at_once_are_refused(tmp_path):
    with pytest.raises(StudyError, match="in steps or in epochs"):
        fallline.Study(name="both", task=task(), base={"optimizer": "adam", "steps": 3, "epochs": 2}).trials()


def test_a_cohort_that_does_not_fit_is_cut_before_it_runs(tmp_path, monkeypatch):
    axes = {"learning_rate": [0.1, 0.05, 0.02, 0.01]}
    whole = run(tmp_path / "a", {}, axes)
    (planned,) = plan(study({}, axes).trials())
    needed = CompiledCohort(planned, load_arrays(planned.task, planned.data, None), Programs()).memory_bytes
    monkeypatch.setenv("FALLLINE_MEMORY_GB", str(0.9 * needed / 1e9))
    cut = run(tmp_path / "b", {}, axes)
    assert whole.trials["cohort"].n_unique() == 1 < cut.trials["cohort"].n_unique()
    for name in ("trial", "test_loss"):
        one, two = (result.trials_with_test().sort("trial")[name].to_list() for result in (whole, cut))
        assert one == pytest.approx(two, rel=1e-5) if name != "trial" else one == two
    monkeypatch.setenv("FALLLINE_MEMORY_GB", "1e-9")
    with pytest.raises(StudyError, match="one trial needs"):
        run(tmp_path / "c", {}, axes)


def test_memory_that_runs_out_on_the_way_splits_the_cohort_and_loses_nothing(tmp_path, monkeypatch):
    import fallline.engine.compiled as compiled

    axes = {"learning_rate": [0.1, 0.05, 0.02, 0.01]}
    whole = run(tmp_path / "a", {}, axes)
    call, thrown = compiled.Compiled.__call__, []

    def running_out(self, *arguments):
        lanes = getattr(arguments[0], "segments", None)
        if lanes and len(arguments) == 6 and lanes[0].ended_at.shape[1] > 2:
            thrown.append(lanes[0].ended_at.shape)
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes")
        return call(self, *arguments)

    monkeypatch.setattr(compiled.Compiled, "__call__", running_out)
    cut = run(tmp_path / "b", {}, axes)
    assert thrown and cut.trials["cohort"].n_unique() == 2 and not cut.records.missing
    one, two = (result.trials_with_test().sort("trial")["test_loss"].to_list() for result in (whole, cut))
    assert one == pytest.approx(two, rel=1e-5)
