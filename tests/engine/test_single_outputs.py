"""Nets with one output an example: what is right is judged by the sign of a logit, half of a probability."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import polars as pl
import pytest

import fallline
from fallline import Study
from fallline.errors import ModelError
from fallline.metrics.accuracy import accuracy, predicted
from fallline.training.output_activation import ends_in

N = 60
INPUTS = np.linspace(-1, 1, N, dtype=np.float32)[:, None] + np.float32(0.01)
YES = INPUTS[:, 0] > 0
TARGETS = {
    "int": YES.astype(int),
    "bool": YES,
    "float": YES.astype(np.float32),
    "byte": YES.astype(np.uint8),
    "column": YES[:, None].astype(np.float32),
    "int column": YES[:, None].astype(int),
}


def net(column, slope, ends=lambda x: x):
    """Logits slope * x, as [batch] or [batch, 1]."""

    def apply(weights, x):
        outputs = ends(weights["slope"] * x)
        return outputs if column else outputs[:, 0]

    return fallline.from_functions(lambda key: {"slope": jnp.float32(slope)}, apply, name="net")


def trained(tmp_path, model, targets, loss="sigmoid_cross_entropy", metrics=("accuracy", "binary_accuracy"), **more):
    data = (INPUTS, targets)
    task = fallline.from_arrays(
        "yes-or-no", model=model, train=data, validation=data, test=data, loss=loss, metrics=list(metrics), **more
    )
    study = Study(name="s", task=task, base={"optimizer": "gradient_descent", "learning_rate": 1e-9, "steps": 1})
    fallline.run(study, out=tmp_path / "run")
    return pl.read_parquet(tmp_path / "run" / "trials" / "*.parquet").row(0, named=True)


@pytest.mark.parametrize("column", [True, False])
@pytest.mark.parametrize("kind", TARGETS)
def test_a_net_that_is_always_wrong_is_never_right_and_one_that_is_right_always(tmp_path, kind, column):
    for slope, right in ((-3.0, 0.0), (3.0, 1.0)):
        row = trained(tmp_path / str(right), net(column, slope), TARGETS[kind])
        for split in ("validation", "test"):
            assert row[f"{split}_accuracy"] == row[f"{split}_binary_accuracy"] == right
            assert row[f"{split}_macro_precision"] == row[f"{split}_macro_recall"] == row[f"{split}_macro_f1"] == right
        assert row["final_train_accuracy"] == right
        exact = np.logaddexp(0, np.where(YES, -1.0, 1.0) * slope * INPUTS[:, 0].astype(np.float64)).mean()
        assert row["validation_loss"] == pytest.approx(exact, rel=1e-6)


def test_precision_and_recall_of_a_yes_or_no_are_the_hand_counted_ones(tmp_path):
    logits = INPUTS[:, 0] - 0.5  # too strict: a quarter of all is missed

    def apply(weights, x):
        return weights["w"] * 0 + x - 0.5

    model = fallline.from_functions(lambda key: {"w": jnp.float32(1)}, apply, name="strict")
    row = trained(tmp_path, model, TARGETS["int"])
    tp, fp, fn = (logits > 0)[YES].sum(), (logits > 0)[~YES].sum(), (logits <= 0)[YES].sum()
    tn = N - tp - fp - fn
    assert row["validation_macro_precision"] == pytest.approx((tp / (tp + fp) + tn / (tn + fn)) / 2)
    assert row["validation_macro_recall"] == pytest.approx((tp / (tp + fn) + tn / (tn + fp)) / 2)
    kept = pl.read_parquet(tmp_path / "run" / "predictions" / "*.parquet").filter(pl.col("split") == "test")
    np.testing.assert_array_equal(kept["predicted"][0].to_numpy(), logits > 0)
    labels = pl.read_parquet(tmp_path / "run" / "answers" / "*.parquet").filter(pl.col("split") == "test")
    np.testing.assert_array_equal(labels["labels"][0].to_numpy(), YES)


@pytest.mark.parametrize(
    "loss", ["sigmoid_cross_entropy", "weighted_cross_entropy", "sigmoid_focal", "sigmoid_focal_of_probabilities"]
)
def test_every_loss_of_logits_cuts_at_0(tmp_path, loss):
    row = trained(tmp_path, net(True, 0.2), TARGETS["float"], loss)  # probabilities within 0.05 of a half
    assert row["validation_accuracy"] == row["validation_binary_accuracy"] == 1


def test_probabilities_are_cut_at_a_half(tmp_path):
    for loss in ("squared_error", "sigmoid_focal_of_probabilities"):
        row = trained(tmp_path / loss, net(True, 3.0, jax.nn.sigmoid), TARGETS["float"], loss, gives="probabilities")
        assert row["validation_accuracy"] == row["validation_binary_accuracy"] == 1


def test_values_are_cut_half_way_between_the_targets(tmp_path):
    half = net(True, 1.0, lambda x: 0.5 + 0.3 * x)  # from 0.2 to 0.8
    assert trained(tmp_path / "0 and 1", half, TARGETS["int"], "squared_error")["validation_accuracy"] == 1
    signs = np.where(YES, 1, -1)
    for targets in (signs, signs[:, None].astype(np.float32)):
        row = trained(tmp_path / str(targets.ndim), net(True, 0.3), targets, "squared_error")
        assert row["validation_accuracy"] == row["validation_binary_accuracy"] == 1


def test_a_loss_of_probabilities_gets_the_sigmoid_of_a_single_logit(tmp_path):
    row = trained(tmp_path, net(True, 2.0), TARGETS["float"], "sigmoid_focal_of_probabilities")
    p = 1 / (1 + np.exp(-2.0 * INPUTS[:, 0].astype(np.float64)))
    own, alpha = np.where(YES, p, 1 - p), np.where(YES, 0.25, 0.75)
    assert row["validation_loss"] == pytest.approx((-alpha * (1 - own) ** 2 * np.log(own)).mean(), rel=1e-5)


def test_a_linear_fit_of_zeros_and_ones_without_an_accuracy_keeps_no_predictions(tmp_path):
    row = trained(tmp_path, net(True, 1.0), TARGETS["int"], "squared_error", metrics=("mean_squared_error",))
    assert "validation_macro_f1" not in row and not (tmp_path / "run" / "predictions").exists()


@pytest.mark.parametrize(
    "targets, loss, more, said",
    [
        (
            np.where(YES, 1, -1),
            "sigmoid_cross_entropy",
            {},
            r"targets from 0 to 1, and those of train reach from -1 to 1; "
            r"write \(y \+ 1\) / 2 for y, or take squared_error",
        ),
        (INPUTS * 7, "weighted_cross_entropy", {}, "targets from 0 to 1"),
        (TARGETS["int"], "softmax_cross_entropy", {}, "one output per example, .* for binary labels write sigmoid"),
        (INPUTS, "squared_error", {}, "accuracy of one output an example needs targets 0 and 1 or -1 and 1"),
        (
            TARGETS["int"],
            "sigmoid_cross_entropy",
            {"gives": "probabilities"},
            "takes logits, and model net gives probabilities; let it give logits, .* a loss of probabilities: "
            "sigmoid_focal",
        ),
        (
            TARGETS["int"],
            "sigmoid_focal_of_probabilities",
            {"gives": "values"},
            "takes probabilities, and model net gives",
        ),
    ],
)
def test_what_does_not_fit_a_single_output_is_refused_with_what_does(tmp_path, targets, loss, more, said):
    with pytest.raises(ModelError, match=said):
        trained(tmp_path, net(True, 1.0), targets, loss, **more)


@pytest.mark.parametrize(
    "loss",
    [
        "softmax_cross_entropy",
        "sparse_softmax_cross_entropy",
        "sigmoid_cross_entropy",
        "sigmoid_focal",
        "weighted_cross_entropy",
    ],
)
def test_a_softmax_of_a_softmax_is_refused(tmp_path, loss):
    model = fallline.from_equinox(
        lambda key: eqx.nn.MLP(1, 3, 4, 1, final_activation=jax.nn.softmax, key=key), name="soft"
    )
    with pytest.raises(ModelError, match=f"loss {loss} takes logits, and model soft gives probabilities"):
        trained(tmp_path, model, TARGETS["int"], loss, ["accuracy"], gives="probabilities")


def test_accuracy_of_rows_with_several_answers_is_refused_and_the_binary_one_counts_them(tmp_path):
    rows = np.stack([YES, np.ones(N), YES], 1).astype(np.float32)
    model = fallline.from_functions(
        lambda key: {"w": jnp.array([[3.0, 0.0, -3.0]])}, lambda w, x: x @ w["w"] - jnp.array([0, 1, 0]), name="three"
    )
    with pytest.raises(ModelError, match="do not sum to 1; for several answers an example take binary_accuracy"):
        trained(tmp_path, model, rows)
    row = trained(tmp_path, model, rows, metrics=["binary_accuracy"])
    assert row["validation_binary_accuracy"] == pytest.approx(1 / 3)  # right, never a yes, wrong


def test_nan_is_never_right_and_the_cut_itself_is_a_no():
    outputs = jnp.array([[jnp.nan], [0.0], [1e-30]])
    np.testing.assert_array_equal(accuracy(outputs, jnp.array([0, 0, 1])), [0, 1, 1])
    np.testing.assert_array_equal(predicted(outputs), [0, 0, 1])


@pytest.mark.parametrize(
    "gives, end", [(jax.nn.sigmoid, "sigmoid"), (lambda x: jax.nn.softmax(jnp.tile(x, 3)), "softmax")]
)
@pytest.mark.parametrize("loss", ["sigmoid_cross_entropy", "sigmoid_focal_of_probabilities"])
def test_a_model_that_ends_in_probabilities_and_does_not_say_so_is_refused(tmp_path, gives, end, loss):
    rows = TARGETS["float"] if end == "sigmoid" else np.tile(TARGETS["column"], 3)
    with pytest.raises(ModelError, match=rf"ends in a {end}, and .*; take the {end} out, or say that it gives prob"):
        trained(tmp_path, net(True, 1.0, gives), rows, loss, ["binary_accuracy"])


def test_layers_of_frameworks_that_end_in_probabilities_are_seen():
    for last, end in (
        (jax.nn.softmax, "softmax"),
        (jax.nn.sigmoid, "sigmoid"),
        (jax.nn.log_softmax, ""),
        (jnp.tanh, ""),
        (lambda x: x / 2, ""),
        (lambda x: jnp.exp(x) / 2 + 1, ""),
    ):
        layer = eqx.nn.Sequential([eqx.nn.Linear(2, 3, key=jax.random.key(0)), eqx.nn.Lambda(last)])
        traced = jax.make_jaxpr(jax.jit(lambda x, layer=layer: jax.vmap(layer)(x)))(jnp.ones((5, 2)))
        assert ends_in(traced.jaxpr) == end


def test_probabilities_of_an_own_loss_are_not_cut_as_logits(tmp_path):
    own = fallline.Loss("own", lambda p, y: (p[:, 0] - y) ** 2)
    with pytest.raises(ModelError, match="ends in a sigmoid, and logits are expected of it"):
        trained(tmp_path, net(True, 3.0, jax.nn.sigmoid), TARGETS["float"], own)
    row = trained(tmp_path, net(True, 3.0, jax.nn.sigmoid), TARGETS["float"], own, gives="probabilities")
    assert row["validation_accuracy"] == row["validation_binary_accuracy"] == 1
