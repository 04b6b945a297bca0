"""Statistics over a run: compared with hand calculations and scipy."""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from scipy import stats as scipy_stats

from fake_run import line_run, softmax_run, tiny
from fallline.errors import StoreError
from fallline.stats import best_of, configurations, paired, primary, reported, select_trials, summary, varying
from fallline.store import Run, open_run

ACCURACIES = {0.1: [0.90, 0.92, 0.91, 0.93, 0.89], 0.01: [0.95, 0.94, 0.96, 0.95, 0.93]}


def accuracies(folder: Path, **fields: Any) -> Run:
    return tiny(
        folder,
        [
            {"learning_rate": rate, "seed": seed, "validation_accuracy": value, "test_accuracy": 1 - value}
            for rate, values in ACCURACIES.items()
            for seed, value in enumerate(values)
        ],
        **fields,
    )


def test_mean_sd_and_interval_are_those_of_the_textbook(tmp_path):
    row = summary(accuracies(tmp_path / "run")).row(0, named=True)
    values = ACCURACIES[0.01]
    low, high = scipy_stats.t.interval(0.95, 4, statistics.mean(values), statistics.stdev(values) / math.sqrt(5))
    assert row["learning_rate"] == 0.01
    assert row["validation_accuracy_mean"] == pytest.approx(statistics.mean(values))
    assert row["validation_accuracy_sd"] == pytest.approx(statistics.stdev(values))
    assert (row["validation_accuracy_low"], row["validation_accuracy_high"]) == pytest.approx((low, high))
    assert row["validation_accuracy_n"] == 5


def test_one_seed_has_no_spread_and_no_interval(tmp_path):
    row = summary(tiny(tmp_path / "run", [{"validation_accuracy": 0.9}])).row(0, named=True)
    assert row["validation_accuracy_mean"] == 0.9
    assert [row[f"validation_accuracy_{part}"] for part in ("sd", "low", "high")] == [None] * 3


def test_losses_rank_down_and_accuracies_up(tmp_path):
    rows = [{"learning_rate": rate, "validation_accuracy": rate, "final_train_loss": rate} for rate in (0.2, 0.3, 0.1)]
    up = summary(tiny(tmp_path / "up", rows))
    down = summary(tiny(tmp_path / "down", rows, metric="train_loss"))
    assert up["learning_rate"].to_list() == [0.3, 0.2, 0.1]
    assert down["learning_rate"].to_list() == [0.1, 0.2, 0.3]


def test_diverged_trials_are_counted_come_last_and_get_no_numbers(tmp_path):
    gone = {"status": "diverged", "diverged_at": 4, "min_train_loss": 0.001, "validation_accuracy": None}
    rows = [
        {"learning_rate": 1.0, "seed": 0, **gone},
        {"learning_rate": 1.0, "seed": 1, **gone},
        {"learning_rate": 0.5, "seed": 0, "validation_accuracy": 0.99},
        {"learning_rate": 0.5, "seed": 1, **gone},
        {"learning_rate": 0.1, "seed": 0, "validation_accuracy": 0.5},
        {"learning_rate": 0.1, "seed": 1, "validation_accuracy": 0.6},
    ]
    table = summary(tiny(tmp_path / "run", rows))
    assert table["learning_rate"].to_list() == [0.1, 0.5, 1.0]
    assert table["diverged"].to_list() == [0, 1, 2]
    last = table.row(2, named=True)
    assert all(last[f"{name}_mean"] is None for name in ("validation_accuracy", "min_train_loss"))
    assert table["validation_accuracy_n"].to_list() == [2, 1, 0]


def test_a_study_whose_trials_all_diverged_still_has_a_table(tmp_path):
    run = tiny(tmp_path / "run", [{"status": "diverged", "diverged_at": 2, "validation_accuracy": None}])
    assert summary(run).select("diverged", "validation_accuracy_mean").row(0) == (1, None)


def test_the_best_setting_is_chosen_on_validation_and_test_is_only_read(tmp_path):
    best = best_of(accuracies(tmp_path / "run", metric="test_accuracy"))  # test would choose 0.1
    row = best.row(0, named=True)
    assert (best.height, row["learning_rate"]) == (1, 0.01)
    assert row["test_accuracy_mean"] == pytest.approx(1 - statistics.mean(ACCURACIES[0.01]))
    assert "validation" in primary(open_run(tmp_path / "run")).note


def test_a_best_rate_at_the_end_of_the_range_is_named(tmp_path):
    values = {"adam": {0.1: 0.9, 0.01: 0.8}, "lion": {0.1: 0.5, 0.01: 0.6, 0.001: 0.55}, "sgd": {0.1: 0.5}}
    rows = [
        {"optimizer": name, "learning_rate": rate, "validation_accuracy": value}
        for name, rates in values.items()
        for rate, value in rates.items()
    ]
    best = best_of(tiny(tmp_path / "run", rows))
    assert dict(best.select("optimizer", "border").iter_rows()) == {"adam": "highest", "lion": None, "sgd": None}


def test_varying_leaves_out_what_only_the_defaults_make_different(tmp_path):
    rows = [
        {"optimizer": "adam", "epsilon": 1e-8, "momentum": None, "validation_accuracy": 0.9},
        {"optimizer": "rmsprop", "epsilon": 1e-10, "momentum": 0.0, "validation_accuracy": 0.8},
        {"optimizer": "rmsprop", "epsilon": 1e-10, "momentum": 0.5, "validation_accuracy": 0.8},
    ]
    assert varying(tiny(tmp_path / "run", rows)) == ["optimizer", "momentum"]


def test_seeds_alone_do_not_make_configurations(tmp_path):
    trials = configurations(accuracies(tmp_path / "run"))
    assert trials["configuration"].to_list() == [0] * 5 + [1] * 5


def test_a_metric_that_was_not_recorded_is_replaced_and_said(tmp_path):
    metric = primary(tiny(tmp_path / "run", [{"final_train_loss": 0.3}], metric="validation_loss"))
    assert metric.column == "final_train_loss" and "was not recorded" in metric.note


def test_a_run_without_trials_says_what_to_do(tmp_path):
    (tmp_path / "plan.json").write_text('{"rounds": []}')
    with pytest.raises(StoreError, match="no finished trials yet; run again with --resume"):
        summary(open_run(tmp_path))


def test_paired_differences_agree_with_scipys_paired_t_test(tmp_path):
    run = accuracies(tmp_path / "run")
    found = paired(run, 1, 0, "validation_accuracy")
    interval = scipy_stats.ttest_rel(ACCURACIES[0.01], ACCURACIES[0.1]).confidence_interval()
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.decided == (interval.low > 0 or interval.high < 0)


def test_a_missed_target_is_infinite_and_stays_in_the_median(tmp_path):
    def of(steps: list[int | None]) -> tuple:
        rows = [{"seed": seed, "steps_to_target": step, "validation_accuracy": 0.9} for seed, step in enumerate(steps)]
        table = summary(tiny(tmp_path / "-".join(map(str, steps)), rows, target={"value": 0.5}))
        return table.select("steps_to_target", "reached").row(0)

    assert of([30, 10, None]) == (30.0, 2)
    assert of([30, None, None]) == (None, 1)


def test_the_table_shows_the_loss_at_the_marked_steps(tmp_path):
    curves = pl.DataFrame({"trial": ["0" * 16] * 3, "step": [0, 5, 10], "train_loss": [3.0, 2.0, 1.0]})
    table = summary(tiny(tmp_path / "run", [{"validation_accuracy": 0.9}], curves, marks=[5]))
    assert table["train_loss_at_5_mean"].to_list() == [2.0]


def test_best_and_when_are_those_of_the_record(tmp_path):
    rows = [
        {
            "seed": seed,
            "validation_accuracy": 0.8,
            "best_validation_accuracy": best,
            "best_validation_accuracy_step": step,
        }
        for seed, (best, step) in enumerate([(0.9, 100), (0.94, 300), (0.92, 200)])
    ]
    assert summary(tiny(tmp_path / "run", rows)).select("best", "when").row(0) == pytest.approx((0.92, 200))


def test_reported_figures_stand_beside_the_same_trials_of_ours(tmp_path):
    said = [
        {"where": {"learning_rate": 0.1}, "metric": "validation_accuracy", "value": 0.9},
        {"where": {"optimizer": "adam"}, "at": {"learning_rate": [0.1]}, "metric": "validation_accuracy", "value": 0.9},
        {"where": {"optimizer": "lion"}, "metric": "validation_accuracy", "value": 0.5},
        {"where": {"colour": "red"}, "metric": "nothing", "value": 0.5},
    ]
    table = reported(accuracies(tmp_path / "run", reported=said))
    assert table["ours"].to_list() == pytest.approx([statistics.mean(ACCURACIES[0.1])] * 2 + [None] * 2)
    assert table["difference"].to_list()[:2] == pytest.approx([0.01, 0.01])
    assert table["best"].to_list()[1] == pytest.approx(statistics.mean(ACCURACIES[0.01]))


def test_a_reported_value_at_a_step_is_compared_with_the_curve(tmp_path):
    curves = pl.DataFrame({"trial": ["0" * 16] * 2, "step": [0, 330], "train_loss": [3.0, 0.0014]})
    said = [{"where": {"optimizer": "adam"}, "at": {"step": 330}, "metric": "train_loss", "value": 0.001349}]
    run = tiny(tmp_path / "run", [{"final_train_loss": 0.1}], curves, metric="final_train_loss", reported=said)
    assert reported(run)["ours"].to_list() == [0.0014]


def test_where_keeps_the_trials_it_names(tmp_path):
    trials = pl.DataFrame({"learning_rate": [0.1 + 0.2, 0.1], "batch_size": [None, 100], "centered": [1.0, 0.0]})
    assert select_trials(trials, {"learning_rate": 0.3}).height == 1  # 0.1 + 0.2 is not exactly 0.3
    assert select_trials(trials, {"learning_rate": [0.3, 0.1]}).height == 2
    assert select_trials(trials, {"batch_size": "all"}).height == 1
    assert select_trials(trials, {"centered": True})["learning_rate"].to_list() == [0.1 + 0.2]
    assert select_trials(trials, {"unknown": 1}).is_empty()


def test_a_real_line_fit_ranks_as_its_final_losses_do(tmp_path):
    table = summary(line_run(tmp_path / "run", steps=200))
    done = table.drop_nulls("final_train_loss_mean")["final_train_loss_mean"].to_list()
    assert done == sorted(done) and len(done) < table.height


def test_a_study_without_a_test_split_has_no_test_columns(tmp_path):
    table = summary(softmax_run(tmp_path / "run", seeds=2, optimizers=("adam",), rates=(0.01,), test=False))
    assert not [name for name in table.columns if name.startswith("test_")]
