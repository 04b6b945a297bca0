"""Names that other libraries use are answered with ours first; none is taken for something that differs from it."""

import pytest

import fallline
from fallline import Study
from fallline.datasets.cells import read_cells
from fallline.errors import CALLED_HERE, DataError, StudyError, UnknownName
from fallline.losses import builtin_losses, find_loss
from fallline.metrics import builtin_metrics, find_metric
from fallline.optimizers import builtin_optimizers, find_optimizer
from fallline.schedules import builtin_schedules
from fallline.study.common_hyperparameters import COMMON
from fallline.study.recipe_fields import FIELD_NAMES


@pytest.mark.parametrize(
    "find, typed, ours",
    [
        (find_optimizer, "sgd", "gradient_descent"),
        (find_optimizer, "SGD", "gradient_descent"),
        (find_optimizer, "NAG", "nesterov"),
        (find_optimizer, "adam-w", "adamw"),
        (find_loss, "mse", "squared_error"),
        (find_loss, "bce", "sigmoid_cross_entropy"),
        (find_loss, "cross-entropy", "softmax_cross_entropy"),
        (find_metric, "mse", "mean_squared_error"),
        (find_metric, "acc", "accuracy"),
    ],
)
def test_a_part_is_answered_with_its_name_here(find, typed, ours):
    with pytest.raises(UnknownName, match=rf"is named '{typed}'.*; did you mean {ours}\?"):
        find(typed)


@pytest.mark.parametrize(
    "typed, ours",
    [
        ("lr", "learning_rate"),
        ("wd", "weight_decay"),
        ("bs", "batch_size"),
        ("eps", "epsilon"),
        ("max_grad_norm", "clip_norm"),
        ("b1", "beta1"),
    ],
)
def test_a_number_is_answered_with_its_name_here(typed, ours):
    with pytest.raises(StudyError, match=rf"named '{typed}' .*; did you mean {ours}\?"):
        Study(name="s", task="line", base={"optimizer": "adam", "steps": 3, typed: 0.1}).trials()


def test_numbers_of_an_optimizer_alone_are_answered_too():
    with pytest.raises(UnknownName, match="did you mean learning_rate"):
        fallline.optimizers.adam(lr=0.1)


def test_every_answer_is_a_name_that_there_is():
    parts = [*builtin_optimizers().values(), *builtin_losses().values(), *builtin_schedules().values()]
    hyperparameters = {number.name for part in parts for number in part.hyperparameters} | {
        number.name for number in COMMON
    }
    known = (
        {part.name for part in parts}
        | set(builtin_metrics())
        | hyperparameters
        | set(FIELD_NAMES)
        | {"seed", "seeds", "dropout_rate", "step"}
    )
    assert {ours for names in CALLED_HERE.values() for ours in names} <= known


@pytest.mark.parametrize("text, separator", [("a;b;y\n1;2;0\n", ";"), ("a\ty\n1\t0\n", "\t"), ("a|y\n1|0\n", "|")])
def test_a_header_of_one_column_asks_for_its_separator(tmp_path, text, separator):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError) as told:
        read_cells(tmp_path / "t.csv")
    assert "line 1 names one column" in str(told.value) and f"write separator = {separator!r}" in str(told.value)
    assert len(read_cells(tmp_path / "t.csv", separator).names) == len(text.split("\n")[0].split(separator))


def test_a_header_that_is_one_column_indeed_is_read(tmp_path):
    (tmp_path / "t.csv").write_text("name\n1\n2\n")
    assert read_cells(tmp_path / "t.csv").names == ("name",)
