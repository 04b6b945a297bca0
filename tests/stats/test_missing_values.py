"""A finished trial whose metric is not a number: counted, named, and as bad as one that diverged."""

import math

import polars as pl
import pytest

from fake_run import tiny
from fallline.exporting.trials import exported_trials
from fallline.report.comparison import Comparison, arm_columns
from fallline.report.headline import Opening
from fallline.report.page import write_report
from fallline.report.results import Results
from fallline.report.terminal import shown
from fallline.stats import paired, reported, summary
from fallline.stats.claims import claims
from fallline.stats.compare import compared, lost

GOOD = [0.90, 0.91, 0.92, 0.93, 0.94, 0.95, 0.96, 0.97]
POOR = [0.50, 0.51, 0.52, 0.53, 0.54, 0.55, 0.56, 0.58]
MISSING = {"null": None, "NaN": math.nan, "infinite": math.inf, "minus infinity": -math.inf}


def rows(values, optimizer, **more):
    return [
        {"optimizer": optimizer, "seed": seed, "validation_accuracy": value, **more}
        for seed, value in enumerate(values)
    ]


def run(folder, good, poor=POOR, **fields):
    return tiny(folder, [*rows(good, "adam"), *rows(poor, "momentum")], **fields)


def one_gone(value):
    return [*GOOD[:3], value, *GOOD[4:]]


@pytest.mark.parametrize("value", MISSING.values(), ids=MISSING)
def test_a_seed_without_a_number_is_counted_and_is_the_worst(value, tmp_path):
    found = compared(run(tmp_path / "run", one_gone(value)), "optimizer")
    adam = next(arm for arm in found.groups[0].arms if arm.settings["optimizer"] == "adam")
    assert adam.sample == {seed: -math.inf if seed == 3 else one for seed, one in enumerate(GOOD)}
    assert (lost(adam), adam.missing_at, adam.missing, adam.diverged) == (1, [3], 1, 0)
    [[pair]] = found.pairs
    # the sign test: 7 of 8 seeds speak for adam, 2 (C(8, 0) + C(8, 1)) / 2^8
    assert (pair.evidence.n, pair.evidence.method) == (8, "sign")
    assert pair.p == pytest.approx(2 * 9 / 256)


def test_a_seed_without_a_number_is_like_one_that_diverged(tmp_path):
    without = run(tmp_path / "a", one_gone(None))
    diverged = tiny(
        tmp_path / "b",
        [
            *[
                row | ({"status": "diverged", "diverged_at": 4} if row["seed"] == 3 else {})
                for row in rows(one_gone(None), "adam")
            ],
            *rows(POOR, "momentum"),
        ],
    )
    drop = ["missing", "diverged"]
    assert Comparison.of(without).arms.drop(drop).equals(Comparison.of(diverged).arms.drop(drop), null_equal=True)
    assert Comparison.of(without).pairs.equals(Comparison.of(diverged).pairs, null_equal=True)


def test_status_n_sentences_and_tests_agree(tmp_path):
    found = run(tmp_path / "run", one_gone(None))
    table = summary(found).to_dicts()
    assert [
        (row["optimizer"], row["trials"], row["diverged"], row["missing"], row["validation_accuracy_n"])
        for row in table
    ] == [("momentum", 8, 0, 0, 8), ("adam", 8, 0, 1, 7)]
    comparison = Comparison.of(found)
    texts = "\n".join([*comparison.use, *comparison.sure, *comparison.answer, *comparison.notes])
    named = "Validation accuracy was not a number in 1 of 16 trials (adam): it counts as worse than any that has one."
    assert comparison.sure[0] == named and texts.count("was not a number") == 1
    assert "8 random seeds each" in texts and "7 random seeds" not in texts
    assert "diverged" not in texts
    assert "At their best settings gave no number: adam (1 of 8 seeds)." in texts
    column = next(one for one in arm_columns(comparison) if one.heading == "no value")
    assert sorted(column.texts) == ["0", "1 of 8"]
    page = write_report(found).with_suffix(".md").read_text()
    assert "was not a number in 1 of 16 trials" in page and "trials diverged" not in page
    assert "not a number in 1 of 16 trials" in str(shown(found))


def test_no_number_at_any_seed_is_not_told_as_diverged(tmp_path):
    found = run(tmp_path / "run", [None] * 8)
    assert "not a number in 8 of 16 trials (adam): they count as worse" in Comparison.of(found).sure[0]
    few = tiny(tmp_path / "few", [*rows([None] * 3, "adam"), *rows(POOR[:3], "momentum")])
    assert "adam gave no number at every seed" in Comparison.of(few).answer[0]
    assert "diverged" not in str(shown(found))
    verdicts = next(one for one in Opening.of(Results.of(found)).columns if one.heading == "verdict")
    assert verdicts.texts == ["best so far", "no number"]
    nothing = run(tmp_path / "none", [None] * 8, [None] * 8)
    assert "validation accuracy was not a number in any trial that finished" in str(shown(nothing))
    assert "diverged" not in str(shown(nothing))


def test_a_choice_by_a_metric_without_a_number_falls_to_the_other_setting(tmp_path):
    found = tiny(
        tmp_path / "run",
        [
            *rows(one_gone(None), "adam", learning_rate=0.1),
            *rows([0.7] * 8, "adam", learning_rate=0.01),
            *rows(POOR, "momentum"),
        ],
    )
    adam = next(arm for arm in compared(found, "optimizer").groups[0].arms if arm.settings["optimizer"] == "adam")
    assert adam.chosen == {"learning_rate": 0.01} and lost(adam) == 0 and adam.missing == 1
    assert summary(found)["learning_rate"][0] == 0.01


def test_what_was_never_recorded_is_not_missing(tmp_path):
    from fake_run import write_run
    from fallline.study import Study

    usual = {
        "task": "t",
        "data": "sample",
        "learning_rate": 0.1,
        "loss": "l",
        "batch_size": 100,
        "order": "shuffled",
        "steps": 10,
        "status": "done",
        "diverged_at": None,
        "parameters": 3,
    }
    blocks, names = [], iter(range(100))
    for own in (
        rows(GOOD, "adam"),
        [{"optimizer": "momentum", "seed": seed, "final_train_loss": 1.0} for seed in range(8)],
    ):
        full = [{"trial": f"{next(names):016x}", **usual, **row} for row in own]
        curves = pl.DataFrame({"trial": [row["trial"] for row in full], "step": 0, "train_loss": 1.0})
        blocks.append((full, curves))
    found = write_run(tmp_path / "run", Study(name="s", task="t", metric="validation_accuracy"), blocks)
    assert summary(found)["missing"].to_list() == [0, 0]
    assert "not a number" not in str(shown(found))


def test_claims_count_a_trial_without_a_number_as_the_worst(tmp_path):
    claim = {"text": "adam is better", "better": {"optimizer": "adam"}, "worse": {"optimizer": "momentum"}}
    [whole] = claims(run(tmp_path / "a", GOOD, claims=[claim]))
    [verdict] = claims(run(tmp_path / "b", one_gone(math.nan), claims=[claim]))
    assert whole.verdict == "supported"
    [part] = verdict.parts
    assert verdict.verdict == "undecided" and part.evidence.n == 8 and part.missing == (1, 0)
    from fallline.report.sections.claims import columns

    said = next(column.below for column in columns([verdict]) if column.below).texts[0]
    assert "median and sign test, 1 without a value" in said


def test_a_claim_at_a_step_counts_what_has_no_number_there(tmp_path):
    made = [*rows(GOOD, "adam"), *rows(POOR, "momentum")]
    names = [f"{place:016x}" for place in range(16)]
    values = [*one_gone(math.nan), *POOR]
    curves = pl.DataFrame({"trial": names, "step": 5, "train_loss": 1.0, "validation_accuracy": values})
    claim = {
        "text": "adam is better",
        "better": {"optimizer": "adam"},
        "worse": {"optimizer": "momentum"},
        "metric": "validation_accuracy",
        "step": 5,
    }
    [verdict] = claims(tiny(tmp_path / "run", made, curves, claims=[claim]))
    assert verdict.parts[0].evidence.n == 8 and verdict.parts[0].missing == (1, 0)


def test_a_paired_difference_says_how_many_seeds_it_lacks(tmp_path):
    found = paired(run(tmp_path / "run", one_gone(None)), 0, 1, "validation_accuracy")
    assert (found.n, found.lost) == (7, 1)


def test_a_published_figure_stands_beside_a_setting_with_a_number_at_every_seed(tmp_path):
    made = [*rows(one_gone(None), "adam", learning_rate=0.1), *rows([0.8] * 8, "adam", learning_rate=0.01)]
    found = reported(
        tiny(
            tmp_path / "run",
            made,
            reported=[{"where": {"optimizer": "adam"}, "metric": "validation_accuracy", "value": 0.9}],
        )
    )
    assert found["ours"].to_list() == [pytest.approx(0.8)] and found["n"].to_list() == [8]


def test_an_export_names_what_is_not_a_number(tmp_path):
    found = exported_trials(run(tmp_path / "run", one_gone(math.inf)))
    gaps = {trial.seed: trial.tags["not_a_number"] for trial in found.values() if "not_a_number" in trial.tags}
    assert gaps == {3: "validation_accuracy"}
    assert all(math.isfinite(value) for trial in found.values() for value in trial.results.values())


def test_an_early_stopped_trial_has_no_mean_of_the_last_steps_and_lacks_none(tmp_path):
    made = [
        *rows(GOOD, "adam", tail_train_loss=None, status="stopped", stopped_at=3),
        *rows(POOR, "momentum", tail_train_loss=1.0),
    ]
    found = compared(
        tiny(tmp_path / "run", [*made, *rows(POOR, "adagrad", tail_train_loss=2.0)]), "optimizer", "tail_train_loss"
    )
    assert [arm.settings["optimizer"] for arm in found.groups[0].arms] == ["momentum", "adagrad"]
