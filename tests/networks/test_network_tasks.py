"""Two Gaussian classes, the built-in tasks on them, and tasks made of a network's text and a table."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import fallline
from fallline.contracts import Split, Splits
from fallline.datasets.gaussians import two_gaussians
from fallline.errors import DataError, FalllineError, HyperparameterError, ModelError, NetworkError, UnknownName
from fallline.losses import find_loss
from fallline.metrics import find_metric
from fallline.tasks import find_task, network_task

TWO = "xz = ap*xp + aq*xq"
SPLITS = ("train", "validation", "test")


def sigmoid(sums):
    return 1 / (1 + np.exp(-sums))


def of_class(split, which):
    return np.float64(split.inputs[split.targets == which])


@pytest.mark.parametrize("inputs", [1, 4, 30])
def test_the_classes_are_a_normal_plus_2_and_twice_a_normal_plus_4_whatever_the_number_of_inputs(inputs):
    splits = two_gaussians(inputs)
    # the one number that all was divided by, from the deviation of class 0, which is 1
    unit = of_class(splits.train, 0).std()
    for name, each in zip(SPLITS, (2_500, 1_000, 1_000), strict=True):
        split = getattr(splits, name)
        assert split.inputs.shape == (2 * each, inputs) and split.targets.shape == (2 * each,)
        assert split.inputs.dtype == split.targets.dtype == np.float32
        for which, mean, deviation in ((0, 2, 1), (1, 4, 2)):
            points = of_class(split, which) / unit
            assert len(points) == each
            spread = deviation / np.sqrt(each)
            np.testing.assert_allclose(points.mean(0), mean, atol=5 * spread + 0.1)
            np.testing.assert_allclose(points.std(0), deviation, rtol=0.12)
            assert stats.kstest(points[:, 0], stats.norm(mean, deviation).cdf).pvalue > 1e-4
            off_diagonal = np.atleast_2d(np.corrcoef(points.T)) - np.eye(inputs)
            assert np.abs(off_diagonal).max() < 5 / np.sqrt(each), "the dimensions are independent"


def test_training_is_divided_by_its_largest_entry_and_all_else_by_the_same_number():
    splits = two_gaussians(4)
    assert np.abs(splits.train.inputs).max() == 1
    units = [of_class(getattr(splits, name), 0).std() for name in SPLITS]
    np.testing.assert_allclose(units, units[0], rtol=0.06)  # five standard errors
    assert np.abs(splits.test.inputs).max() != 1


def test_the_seed_says_every_draw_and_the_splits_share_none():
    one, again, other = two_gaussians(3, 400, 7), two_gaussians(3, 400, 7), two_gaussians(3, 400, 8)
    rows, others = set(), set()
    for name in SPLITS:
        left, right = getattr(one, name), getattr(again, name)
        np.testing.assert_array_equal(left.inputs, right.inputs)
        np.testing.assert_array_equal(left.targets, right.targets)
        rows |= {row.tobytes() for row in left.inputs}
        others |= {row.tobytes() for row in getattr(other, name).inputs}
    assert len(rows) == len(others) == 400 + 2_000 + 2_000 and not rows & others
    assert len(set(one.train.targets[:20].tolist())) == 2, "the classes are mixed"


@pytest.mark.parametrize(
    "wrong, told",
    [
        (dict(inputs=0), "inputs must be a whole number, at least 1, got 0"),
        (dict(inputs=2.0), "inputs must be a whole number"),
        (dict(inputs=2, examples=5), "examples must be even"),
        (dict(inputs=2, examples=0), "examples must be a whole number, at least 2"),
        (dict(inputs=2, seed=-1), "seed must be a whole number, at least 0"),
        (dict(inputs=10**6), "inputs x examples must be at most 100,000,000"),
    ],
)
def test_numbers_that_cannot_be_drawn_are_refused(wrong, told):
    with pytest.raises(HyperparameterError, match=told):
        two_gaussians(**wrong)


def test_binary_accuracy_counts_the_outputs_on_the_side_of_their_target():
    metric = find_metric("binary_accuracy").function
    outputs = jnp.asarray([0.9, 0.2, 0.5, 0.51, 0.49, jnp.nan, jnp.nan, 7, -3])
    targets = np.array([1, 1, 0, 1, 1, 0, 1, 1, 0])
    right = [1, 0, 1, 1, 0, 0, 0, 1, 1]
    for o in (outputs, outputs[:, None]):
        for y in (targets, targets[:, None], targets.astype(np.float32), targets.astype(np.uint8)):
            values = metric(o, jnp.asarray(y))
            assert values.shape == (9,) and values.tolist() == right
    assert metric(jnp.asarray([[0.9, 0.1]]), jnp.asarray([[1, 1]])).tolist() == [0.5]
    for o, y in ((outputs, targets[:3]), (outputs[:, None], np.eye(9)), (outputs[0], targets[0])):
        with pytest.raises(ModelError, match="binary_accuracy needs one target for each output"):
            metric(o, y)


def test_one_neuron_is_the_sigmoid_of_a_sum_and_its_first_two_weights_are_watched():
    task = find_task("two-gaussians-one-neuron")
    weights = task.model.init(jax.random.key(3))
    inputs, targets = task.data("sample", None).train
    w, b = np.float64(weights["weights"]), np.float64(weights["biases"])
    assert w.shape == (4,) and b.shape == (1,)
    np.testing.assert_allclose(task.model.apply(weights, inputs), sigmoid(inputs @ w + b), rtol=1e-5)
    assert {name: float(value) for name, value in task.model.watch(weights).items()} == {"ab": w[0], "bc": w[1]}
    assert task.loss == "squared_error" and list(task.metrics) == ["binary_accuracy"] and task.fingerprint is None
    loss = find_loss("squared_error")(task.model.apply(weights, inputs), targets)
    assert float(loss) == pytest.approx(np.mean((targets - sigmoid(inputs @ w + b)) ** 2), rel=1e-5)


def test_the_network_4_2_1_is_two_layers_of_sigmoids_and_its_last_two_weights_are_watched():
    task = find_task("two-gaussians-4-2-1")
    weights = task.model.init(jax.random.key(5))
    inputs, _ = task.data("full", None).test
    w, b = np.float64(weights["weights"]), np.float64(weights["biases"])
    hidden = sigmoid(inputs @ w[:8].reshape(2, 4).T + b[:2])
    np.testing.assert_allclose(task.model.apply(weights, inputs), sigmoid(hidden @ w[8:] + b[2]), rtol=1e-5)
    assert set(task.model.watch(weights)) == {"cp", "cq"} and task.examples == {"sample": 5_000, "full": 5_000}
    many = np.concatenate([np.concatenate(list(task.model.init(jax.random.key(k)).values())) for k in range(40)])
    assert many.min() >= 0 and many.max() < 1 and abs(many.mean() - 0.5) < 0.05


def test_a_network_of_ones_own_gets_gaussians_of_as_many_dimensions_and_no_data_before_it_is_asked_for(monkeypatch):
    drawn = []
    monkeypatch.setattr("fallline.tasks.networks.two_gaussians", lambda *given: drawn.append(given))
    task = network_task("five", "xy = a*xa + b*xb + c*xc + d*xd + e*xe", activation="tanh", initial_range=(-2, -1))
    assert not drawn and task.name == "five"
    task.data("sample", None)
    assert drawn == [(5, 5_000, 0)]
    weights = task.model.init(jax.random.key(0))
    assert all(-2 <= leaf.min() <= leaf.max() <= -1 for leaf in weights.values())
    inputs = np.float32([[1, 2, 3, 4, 5]])
    expected = np.tanh(inputs @ np.float64(weights["weights"]) + np.float64(weights["biases"]))
    np.testing.assert_allclose(task.model.apply(weights, inputs), expected, rtol=1e-5)


TABLE = "age,dose,note,ill\n" + "".join(f"{20 + i},{i % 7},n,{'yes' if i % 7 > 3 else 'no'}\n" for i in range(60))
READS = "inputs: dose, age\nill_or_not = a*dose + b*age"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "table.csv").write_text(TABLE)
    return tmp_path


def test_the_inputs_of_a_network_name_the_columns_of_its_table(folder):
    task = network_task("ill", READS, "table.csv", "ill", folder=folder)
    splits = task.data("sample", None)
    assert task.model.network.inputs == ("dose", "age") and task.examples == {"sample": 42, "full": 42}
    assert [len(getattr(splits, name).inputs) for name in SPLITS] == [42, 9, 9]
    train = np.float64(splits.train.inputs)
    np.testing.assert_allclose([train.mean(0), train.std(0)], [[0, 0], [1, 1]], atol=1e-6)
    # only doses of 4 and more are ill, and doses are whole numbers: a gap lies between the two classes
    assert train[splits.train.targets == 1, 0].min() > train[splits.train.targets == 0, 0].max() + 0.3
    assert task.title == "a network of 2 inputs and 1 neuron on ill (no = 0, yes = 1) of table.csv"
    absolute = network_task("ill", READS, str(folder / "table.csv"), "ill")
    assert absolute.fingerprint == task.fingerprint


def test_a_task_of_a_text_and_a_table_trains(folder):
    task = network_task("ill", READS, "table.csv", "ill", watch=["a", "bias_ill_or_not"], folder=folder)
    study = fallline.Study(
        name="ill",
        task=task,
        metric="validation_binary_accuracy",
        seeds=2,
        evaluate_every=200,
        base={"optimizer": "adam", "learning_rate": 0.1, "batch_size": 8, "steps": 200},
    )
    run = fallline.run(study, folder / "run")
    assert run.trials["validation_binary_accuracy"].to_list() == [1.0, 1.0]
    assert {"a", "bias_ill_or_not"} <= set(run.curves.collect_schema().names())


def test_splits_of_ones_own_are_taken_as_they_are():
    inputs, targets = np.float64([[1, 2], [3, 4], [5, 6]]), np.array([0, 1, 0])
    task = network_task("own", TWO, Splits(Split(inputs, targets)))
    given = task.data("full", None)
    np.testing.assert_array_equal(given.train.inputs, inputs)
    assert given.validation is None and task.examples["full"] == 3 and list(task.metrics) == ["binary_accuracy"]


@pytest.mark.parametrize("text, targets", [("xz = identity(ap*xp + aq*xq)", [0, 1]), (TWO, [0.25, 1])])
def test_binary_accuracy_is_measured_only_where_it_means_something(text, targets):
    splits = Splits(Split(np.ones((2, 2)), np.array(targets)))
    assert network_task("own", text, splits).metrics == {}


def test_trials_of_a_changed_text_begin_watch_or_table_are_others_and_a_comment_changes_nothing(folder):
    def trial(text=READS, content=TABLE, data="table.csv", target="ill", **changes):
        (folder / "table.csv").write_text(content)
        task = network_task("ill", text, data, target, folder=folder, **changes)
        return fallline.Study(name="s", task=task, base={"optimizer": "adam", "steps": 2}).trials()[0].name

    same = [trial(), trial(READS.replace("\n", "  # a comment\n")), trial(initial_range=[0, 1])]
    assert len(set(same)) == 1
    others = [
        trial(READS.replace("+", "-")),
        trial(activation="tanh"),
        trial(initial_range=(-1, 1)),
        trial(watch=["a"]),
        trial(content=TABLE.replace("25,", "25.5,")),
        trial(data="two-gaussians", target=""),
    ]
    assert len({*same, *others}) == 1 + len(others)


@pytest.mark.parametrize(
    "changes, error, told",
    [
        (dict(text="xz = ap*xp +"), NetworkError, "line 1, column 13"),
        (dict(activation="sigmod"), NetworkError, "activation must be one of"),
        (dict(watch=["ap", "aw"]), UnknownName, "no parameter or bias is named 'aw'"),
        (dict(watch="ap"), ModelError, "watch must be a list of names"),
        (dict(initial_range=[1, 0]), ModelError, "the lower first"),
        (dict(initial_range=[0]), ModelError, "initial_range must be two numbers"),
        (dict(initial_range=["0", "1"]), ModelError, "initial_range must be two numbers"),
        (dict(loss="squared_eror"), UnknownName, "did you mean squared_error"),
        (dict(name=""), ModelError, "the name of a network must be a text"),
        (dict(target="ill"), ModelError, "two-gaussians has a target of its own"),
        (dict(data="table.csv"), ModelError, 'write target = "COLUMN"'),
        (dict(data="two-gausians", target="y"), DataError, 'data must be "two-gaussians" or the path of a CSV'),
        (dict(data=3), ModelError, "fallline.Splits, got int"),
        (
            dict(data="table.csv", target="ill"),
            DataError,
            "network own: .*has no column named 'xp'; there are: age, dose",
        ),
        (dict(data="table.csv", target="il", text=READS), DataError, "no column named 'il'; did you mean ill"),
        (dict(text="xz = a*xp\nxy = b*xq"), ModelError, "2 outputs, xz, xy .*let one neuron read the others"),
        (
            dict(text="xz = a*dose\nxy = b*age\ninputs: dose, age", data="table.csv", target="ill"),
            ModelError,
            "2 outputs",
        ),
        (
            dict(data=Splits(Split(np.ones((4, 3)), np.ones(4)))),
            ModelError,
            r"inputs \(4, 3\), the network needs \[n, 2\]",
        ),
        (dict(data=Splits(Split(np.ones((4, 2)), np.full(4, np.nan)))), ModelError, "every value must be finite"),
        (dict(data=Splits(Split(np.ones((4, 2)), np.ones(4))), target="y"), ModelError, "Splits hold their targets"),
    ],
)
def test_what_is_wrong_with_a_task_of_a_network_is_said_when_it_is_made(folder, changes, error, told):
    with pytest.raises(error, match=told) as refused:
        network_task(**(dict(name="own", text=TWO, folder=folder) | changes))
    assert isinstance(refused.value, FalllineError)
