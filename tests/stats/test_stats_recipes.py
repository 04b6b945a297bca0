"""Statistics over recipes: losses of several kinds, batch policies, budgets, early stopping."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fake_run import tiny
from fallline.errors import StoreError
from fallline.stats import best_of, budgets, primary, reported, select_trials, summary, varying
from fallline.stats.stopping import stop, stops
from fallline.stopping import stale
from fallline.store import Run, open_run

KINDS = {"softmax_cross_entropy": 0.3, "weighted_cross_entropy(pos_weight=0.5)": 0.1}


def losses(folder: Path, accuracy: dict[str, float] | None = None, **fields: Any) -> Run:
    """Two optimizers and two kinds of loss; the second optimizer is better within each kind."""
    rows = []
    for optimizer, better in (("adam", 0.0), ("lion", 0.02)):
        for kind, value in KINDS.items():
            loss, _, inside = kind.partition("(")
            weight = float(inside[:-1].partition("=")[2]) if inside else None
            row = {
                "optimizer": optimizer,
                "loss": loss,
                "loss_kind": kind,
                "pos_weight": weight,
                "validation_loss": value - better,
                "final_train_loss": value - better,
            }
            rows.append(row | {name: value + better for name, value in (accuracy or {}).items()})
    return tiny(folder, rows, **{"metric": "validation_loss", **fields})


def test_an_accuracy_ranks_where_losses_are_of_different_kinds(tmp_path):
    metric = primary(losses(tmp_path / "run", {"validation_accuracy": 0.9, "validation_macro_f1": 0.8}))
    assert (metric.column, metric.within) == ("validation_accuracy", "")
    assert "2 kinds of loss cannot be compared" in metric.note
    tested = primary(losses(tmp_path / "test", {"test_accuracy": 0.9, "final_train_accuracy": 0.95}))
    assert tested.column == "test_accuracy" and "no validation split" in tested.note
    trained = primary(losses(tmp_path / "train", {"final_train_accuracy": 0.95}, metric="train_loss"))
    assert trained.column == "final_train_accuracy"


def test_a_study_of_one_kind_of_loss_may_rank_by_it(tmp_path):
    run = tiny(
        tmp_path / "run",
        [{"loss_kind": "l", "validation_loss": value} for value in (0.2, 0.1)],
        metric="validation_loss",
    )
    assert (primary(run).column, primary(run).note) == ("validation_loss", "")


def test_kinds_of_loss_are_ranked_apart_where_nothing_else_was_recorded(tmp_path):
    run = losses(tmp_path / "run")
    assert primary(run).within == "loss_kind"
    table = summary(run)
    assert table.select("loss_kind", "rank", "optimizer").rows() == [
        (kind, rank, name) for kind in KINDS for rank, name in ((1, "lion"), (2, "adam"))
    ]
    best = best_of(run)
    assert best.select("optimizer", "loss_kind").n_unique() == best.height == 4


def test_a_reported_loss_is_held_against_trials_of_one_kind_only(tmp_path):
    said = [
        {"where": {"optimizer": "adam"}, "metric": "validation_loss", "value": 0.2},
        {"where": {"loss": "softmax_cross_entropy"}, "metric": "validation_loss", "value": 0.2},
    ]
    table = reported(losses(tmp_path / "run", reported=said))
    assert table["ours"].to_list() == [None, pytest.approx(0.28)]
    assert table["best"].to_list() == [None, pytest.approx(0.28)]


def test_a_number_of_one_loss_alone_does_not_vary(tmp_path):
    assert varying(losses(tmp_path / "run")) == ["optimizer", "loss"]
    rows = [
        {
            "loss": "weighted",
            "loss_kind": f"weighted(pos_weight={weight})",
            "pos_weight": weight,
            "validation_accuracy": 0.9,
        }
        for weight in (0.5, 1.5)
    ]
    assert varying(tiny(tmp_path / "two", rows)) == ["pos_weight"]


def test_trials_that_early_stopping_ended_count_like_the_others(tmp_path):
    rows = [
        {"seed": 0, "validation_accuracy": 0.8},
        {"seed": 1, "validation_accuracy": 0.9, "status": "stopped", "stopped_at": 6},
    ]
    row = summary(tiny(tmp_path / "run", rows)).row(0, named=True)
    assert row["validation_accuracy_mean"] == pytest.approx(0.85)
    assert (row["validation_accuracy_n"], row["diverged"], row["stopped"], row["stopped_at"]) == (2, 0, 1, 6.0)


def budget(**policy: Any) -> dict[str, Any]:
    row = {"batch_size": 100, "steps": 500, "epochs": 1.0, "examples_seen": 50_000, "train_examples": 50_000}
    return {**row, "validation_accuracy": 0.9, **policy}


def test_of_steps_and_epochs_the_one_that_was_chosen_varies(tmp_path):
    same_epochs = [budget(batch_size=100, steps=500), budget(batch_size=50, steps=1000)]
    assert varying(tiny(tmp_path / "same", same_epochs)) == ["batch_size"]
    epochs = [budget(batch_size=size, steps=50_000 // size * n, epochs=float(n)) for size in (10, 20) for n in (10, 15)]
    assert varying(tiny(tmp_path / "epochs", epochs)) == ["batch_size", "epochs"]
    steps = [budget(batch_size=size, steps=500, epochs=size / 100) for size in (100, 50)]
    assert varying(tiny(tmp_path / "steps", steps)) == ["batch_size"]
    assert varying(tiny(tmp_path / "only", [budget(), budget(steps=1000, epochs=2.0)])) == ["steps"]


def test_formulas_and_numbers_of_batch_sizes_stand_side_by_side(tmp_path):
    rows = [budget(batch_size=size, seed=seed) for size in ("100", "30 + 10*epoch", None) for seed in (0, 1)]
    run = tiny(tmp_path / "run", rows)
    assert varying(run) == ["batch_size"] and summary(run).height == 3
    asked = (100, "100", "30 + 10*epoch", "all", [100, "all"])
    kept = [select_trials(run.trials, {"batch_size": value}).height for value in asked]
    assert kept == [2, 2, 2, 2, 4]


def test_what_is_off_and_lists_of_numbers_can_be_kept_by_name():
    trials = pl.DataFrame({"l2_penalty": [None, 1e-4], "decay_epochs": ["1, 2", "5"]})
    assert select_trials(trials, {"l2_penalty": "off"}).height == 1
    assert select_trials(trials, {"l2_penalty": 1e-4})["decay_epochs"].to_list() == ["5"]
    assert select_trials(trials, {"decay_epochs": [1, 2]})["decay_epochs"].to_list() == ["1, 2"]


def test_budgets_count_what_each_policy_ran(tmp_path):
    rows = [budget(seed=0), budget(seed=1, status="stopped", stopped_at=300), budget(batch_size=50, epochs=0.5)]
    table = budgets(tiny(tmp_path / "run", rows))
    assert table.select("batch_size", "trials", "stopped", "stopped_at", "steps_an_epoch").rows() == [
        (100, 2, 1, 300.0, 500.0),
        (50, 1, 0, None, 1000.0),
    ]
    assert budgets(tiny(tmp_path / "old", [{"validation_accuracy": 0.9}])).is_empty()


@pytest.mark.parametrize(
    ("values", "patience", "expected"),
    [
        ([3, 2, 1], 1, (2, 2, False)),
        ([3, 1, 2, 0], 1, (2, 1, True)),
        ([3, 1, 2, 0], 2, (3, 3, False)),
        ([1, 1, 1], 2, (2, 0, False)),  # no better is not better; the last look ends nothing early
        ([1, None, 2, 0.5], 2, (2, 0, True)),
        ([2, float("nan"), 1], 2, (2, 2, False)),
    ],
)
def test_patience_by_hand(values, patience, expected):
    assert tuple(stop(values, patience)) == expected
    assert tuple(stop([None if value is None else -value for value in values], patience, up=True)) == expected


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.integers(1, 6))
@settings(max_examples=100, deadline=None)
def test_patience_ends_where_a_trial_with_early_stopping_ends(values, patience):
    ended = [look for look in range(len(values)) if stale(np.array(values)[: look + 1]) >= patience]
    found = stop(values, patience)
    assert found.stop == min(ended, default=len(values) - 1)
    assert found.kept == int(np.argmin(values[: found.stop + 1]))


def test_a_kept_look_is_held_against_the_last_one():
    looks = pl.DataFrame(
        {"trial": ["a"] * 4, "step": [0, 10, 20, 30], "watched": [3.0, 1.0, 2.0, 2.5], "value": [0.1, 0.8, 0.7, 0.75]}
    )
    row = stops(looks, [1]).row(0, named=True)
    assert row.pop("difference") == pytest.approx(0.05)
    assert row == {
        "trial": "a",
        "patience": 1,
        "early": True,
        "stop_step": 20,
        "kept_step": 10,
        "kept_value": 0.8,
        "last_step": 30,
        "last_value": 0.75,
        "steps_saved": 10,
    }


def test_damaged_answers_and_mistakes_are_named(tmp_path):
    run = tiny(tmp_path / "run", [{"validation_accuracy": 0.9}])
    assert run.predictions.collect().is_empty() and run.answers.is_empty() and run.mistakes.is_empty()
    (run.folder / "answers").mkdir()
    for path in (run.folder / "answers" / "a.parquet", run.paths.mistakes):
        path.write_bytes(b"PAR1 torn")
    again = open_run(run.folder)
    with pytest.raises(StoreError, match=r"a\.parquet cannot be read .* Remove it: the report then goes without"):
        _ = again.answers
    with pytest.raises(StoreError, match=r"mistakes\.parquet cannot be read"):
        _ = again.mistakes
    run.paths.predictions("c0-b0").parent.mkdir()
    run.paths.predictions("c0-b0").write_bytes(b"torn")
    with pytest.raises(StoreError, match=r"c0-b0\.parquet cannot be read"):
        _ = again.predictions
