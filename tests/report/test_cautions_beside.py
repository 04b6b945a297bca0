"""Cautions beside the answer: a rate at the end of its range, a winner that loses on test, honest figures."""

import re

import numpy as np
import pytest

from fake_run import softmax_run, tiny
from fallline.report.comparison import Comparison, arm_columns
from fallline.report.headline import Opening
from fallline.report.page import write_report
from fallline.report.results import Results, columns
from fallline.report.rounding import by_width, interval, plus_minus
from fallline.report.sentences.comparison_words import value
from fallline.report.terminal import shown

NOISE = [0.0, 0.011, -0.013, 0.004, 0.007, -0.009]


def trials(**arms):
    """Rows of each setting: a name "adam_0.1" is an optimizer and a rate; values are validation (and test) means."""
    made = []
    for name, means in arms.items():
        optimizer, rate = name.rsplit("__", 1)
        for seed, noise in enumerate(NOISE):
            splits = zip(("validation_accuracy", "test_accuracy"), np.atleast_1d(means), strict=False)
            made.append(
                {"optimizer": optimizer, "learning_rate": float(rate.replace("_", ".")), "seed": seed}
                | {split: float(mean) + noise * (1 + len(made) % 3) / 2 for split, mean in splits}
            )
    return made


def sure(run, by=None):
    return "\n".join(Comparison.of(run, by).sure)


# A best rate at the end of what was tried


def test_a_compared_rate_at_the_end_of_its_range_stands_beside_the_answer(tmp_path):
    at_end = tiny(
        tmp_path / "a",
        trials(adam__0_1=0.9, adam__0_01=0.8, adam__0_001=0.7),
        axes={"learning_rate": [0.1, 0.01, 0.001]},
    )
    said = sure(at_end, "learning_rate")
    assert "Its learning rate is the largest that was tried, and a larger one may be better: fallline run" in said
    assert "axes.learning_rate=[10, 1, 0.1, 0.01, 0.001]" in said
    assert "largest that was tried" in str(shown(at_end))
    assert "largest that was tried" in write_report(at_end).with_suffix(".md").read_text()
    inside = tiny(tmp_path / "b", trials(adam__0_1=0.8, adam__0_01=0.9, adam__0_001=0.7))
    assert "that was tried" not in sure(inside, "learning_rate")


def test_a_rate_compared_beside_the_optimizer_is_held_against_its_own(tmp_path):
    run = tiny(tmp_path / "run", trials(adam__0_01=0.9, adam__0_1=0.8, momentum__1_0=0.7, momentum__0_001=0.6))
    assert "Its learning rate is the smallest that was tried" in sure(run, ["optimizer", "learning_rate"])


def test_several_groups_say_which_of_them_stand_at_an_end(tmp_path):
    made = [
        row | {"batch_size": size}
        for size, means in ((10, (0.9, 0.8, 0.7)), (20, (0.7, 0.9, 0.8)))
        for row in trials(adam__0_1=means[0], adam__0_01=means[1], adam__0_001=means[2])
    ]
    said = sure(tiny(tmp_path / "run", made), "learning_rate")
    assert "at an edge of the search range for batch 10 (highest)" in said and "batch 20" not in said


def test_a_ranking_without_a_comparison_says_it_too(tmp_path, monkeypatch):
    monkeypatch.setattr("fallline.report.headline.MOST_PAIRS", 0)
    run = tiny(tmp_path / "run", trials(adam__0_1=0.9, adam__0_01=0.8, momentum__0_1=0.7, momentum__0_01=0.6))
    opening = Opening.of(Results.of(run))
    assert opening.comparison is None
    assert any("largest that was tried" in text for text in opening.sure)


# A winner that loses on test


def test_a_validation_winner_that_loses_on_test_gets_a_line(tmp_path):
    both = {"adam__0_1": (0.90, 0.80), "adam__0_01": (0.5, 0.95), "momentum__0_1": (0.85, 0.88)}
    run = tiny(tmp_path / "run", trials(**both))
    [line] = [text for text in Opening.of(Results.of(run)).sure if "test set" in text]
    assert line.startswith(
        "On the held-out test set momentum at learning rate 0.1 is better than adam at learning rate 0.1, which "
        "validation accuracy chose: test accuracy +0.0"
    )
    assert re.search(r"p (= [\d.e-]+|< 0\.0001), n = 6\.", line) and "The choice remains that of validation" in line
    assert "On the held-out test set momentum" in str(shown(run))
    assert "On the held-out test set momentum" in write_report(run).read_text()


def test_a_lead_on_test_that_chance_explains_is_called_that(tmp_path):
    both = {"adam__0_1": (0.90, 0.80), "momentum__0_1": (0.85, 0.80)}
    rows = trials(**both)
    for place, row in enumerate(row for row in rows if row["optimizer"] == "momentum"):
        row["test_accuracy"] += (0.02, -0.015)[place % 2]
    [line] = [text for text in Opening.of(Results.of(tiny(tmp_path / "run", rows))).sure if "test set" in text]
    assert "momentum is better on average, not significantly, than adam" in line
    assert float(re.search(r"p = ([\d.]+)", line)[1]) > 0.05


def test_a_winner_that_wins_on_test_too_gets_none(tmp_path):
    run = tiny(tmp_path / "run", trials(adam__0_1=(0.9, 0.88), momentum__0_1=(0.85, 0.8)))
    assert "On the held-out test set" not in str(shown(run))
    assert "On the held-out test set" not in str(
        shown(tiny(tmp_path / "no", trials(adam__0_1=0.9, momentum__0_1=0.85)))
    )


def test_a_ranking_without_a_comparison_has_the_line_too(tmp_path, monkeypatch):
    monkeypatch.setattr("fallline.report.headline.MOST_PAIRS", 0)
    run = tiny(tmp_path / "run", trials(adam__0_1=(0.90, 0.80), adam__0_01=(0.5, 0.5), momentum__0_1=(0.85, 0.88)))
    assert any(text.startswith("On the held-out test set momentum") for text in Opening.of(Results.of(run)).sure)


# Figures


@pytest.mark.parametrize(
    "low, high",
    [
        (-1.23456, -1.23111),
        (0.123451, 0.123459),
        (2.0, 2.0000001),
        (-1e-9, 1e-9),
        (123456.1, 123456.2),
        (-5.0, 1e6),
        (1.2e-8, 1.3e-8),
    ],
)
def test_the_ends_of_an_interval_differ_in_what_is_written(low, high):
    written = [text.replace("−", "-") for text in interval(low, high).split(" to ")]
    assert written[0] != written[1]
    # to the second digit of half the width: off by at most a twentieth of that
    assert [float(text) for text in written] == pytest.approx([low, high], abs=0.051 * (high - low))


def test_an_interval_is_never_written_as_one_number_thrice():
    centre, half = -1.2, 0.0004
    assert by_width(centre, half, sign=True) == "−1.20000"
    assert interval(centre - half, centre + half, sign=True) == "−1.20040 to −1.19960"
    assert plus_minus(centre, half) == "−1.20000 ± 0.00040"
    assert interval(None, None) == "–" and by_width(float("inf"), 0.1) == "∞"
    assert by_width(-0.0001, 0.5) == "0.00"  # no minus before nothing


def test_plus_minus_stands_where_all_seeds_are_equal(tmp_path):
    made = [
        {"optimizer": name, "seed": seed, "validation_accuracy": value, "final_train_loss": seed / 10}
        for name, value in (("adam", 0.75), ("momentum", 0.5))
        for seed in range(6)
    ]
    run = tiny(tmp_path / "run", made)
    compared = Comparison.of(run).compared
    assert value(compared, compared.groups[0].arms[0]) == ("validation accuracy 0.7500 ± 0 (95 % CI, n = 6)")


def test_plus_minus_is_a_confidence_interval_everywhere(tmp_path):
    run = softmax_run(tmp_path / "run", seeds=5, optimizers=("adam", "momentum"), rates=(0.1, 0.01, 0.001))
    page = write_report(run).with_suffix(".md").read_text()
    for line in page.splitlines():
        if "±" in line and not line.startswith("|"):
            assert "95 % CI" in line, line
    opening = Opening.of(Results.of(run))
    for column in [*opening.columns, *arm_columns(opening.comparison), *columns(opening.results, opening.ranked)]:
        if any("±" in text for text in column.texts):
            assert "95 % CI" in column.help
