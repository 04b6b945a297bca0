"""The names of recorded metrics are taken apart in one place, and put together again exactly."""

import pytest

from fallline.contracts import MetricName
from fallline.stats import label

NAMES = {
    "validation_accuracy": MetricName("accuracy", "validation"),
    "train_loss": MetricName("loss", "train"),
    "final_train_loss": MetricName("loss", "train", "final"),
    "tail_train_loss": MetricName("loss", "train", "tail"),
    "min_train_loss_step": MetricName("loss", "train", "min", is_step_of=True),
    "best_validation_macro_f1": MetricName("macro_f1", "validation", "best"),
    "train_loss_at_100": MetricName("loss", "train", at=100),
    "final_w": MetricName("w", statistic="final"),
    "max_test_loss": MetricName("loss", "test", "max"),
    "max_gradient": MetricName("max_gradient"),
    "train_test_error": MetricName("test_error", "train"),
    "steps_to_target": MetricName("steps_to_target"),
    "accuracy": MetricName("accuracy"),
    "test_": MetricName("test_"),
    "loss_at_007": MetricName("loss_at_007"),
    "": MetricName(""),
}


@pytest.mark.parametrize(("text", "name"), NAMES.items())
def test_a_name_is_taken_apart_and_put_together_again(text, name):
    assert MetricName.parse(text) == name and str(name) == text


def test_what_follows_from_a_name():
    name = MetricName.parse
    assert str(name("best_validation_loss").curve) == "validation_loss"
    assert str(name("train_loss").after_training) == "final_train_loss"
    assert name("validation_loss").after_training == name("validation_loss")
    assert str(name("best_validation_f1").on("test")) == "best_test_f1"
    assert name("final_train_loss").is_loss and name("train_loss_at_5").is_loss
    assert not name("loss").is_loss and not name("min_train_loss_step").is_loss
    assert name("steps_to_target").is_step and not name("steps_to_target").is_result


def test_a_label_is_the_name_in_words():
    words = {
        "final_train_loss": "final training loss",
        "tail_train_loss": "mean final training loss",
        "min_train_loss_step": "lowest training loss step",
        "validation_macro_f1": "validation macro F1",
        "train_loss_at_100": "training loss at 100",
    }
    assert {name: label(name) for name in words} == words
