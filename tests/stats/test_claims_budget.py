"""Every claim of the built-in studies can be judged on a preset, and says on what budget it was."""

import json
from pathlib import Path

import polars as pl
import pytest

import fallline
from fake_run import write_run
from fallline.batching import BatchStream
from fallline.report.sections.claims import claim_blocks, lines, overview
from fallline.stats.claims import UNTESTED, claims
from fallline.store import Run
from fallline.store.claims import note_claims, read_claims
from fallline.study import Study, builtin_studies, load_study
from fallline.study.recipe_columns import recipe_columns
from fallline.study.trial import settings_in_use

CLAIMING = [name for name in builtin_studies() if load_study(name).claims]
RESULTS = (
    "validation_accuracy",
    "validation_loss",
    "test_accuracy",
    "test_loss",
    "best_validation_accuracy",
    "best_validation_loss",
    "final_train_loss",
    "min_train_loss",
    "tail_train_loss",
    "train_seconds",
)


def made_up(study: Study, folder: Path) -> Run:
    """The run folder that the study's trials would leave, with results out of the air; nothing is trained."""
    trials = study.trials()
    shown, rows = settings_in_use(trials), []
    for place, trial in enumerate(trials):
        examples = trial.task.examples.get(trial.data)
        stream = BatchStream(trial.recipe.batches, examples or 1000, seed=0)
        budget = {
            "steps": trial.recipe.steps,
            "epochs": float(stream.position([trial.recipe.steps])[0]),
            "examples_seen": 1,
            "train_examples": examples or 1,
            "parameters": 1,
        }
        value = 0.993 + 0.00001 * (place * 37 % 101)  # as good as any claim asks: worse ones may test nothing
        rows.append(
            {
                "trial": trial.name,
                "task": trial.task.name,
                "data": trial.data,
                "seed": trial.seed,
                **recipe_columns(trial.recipe, shown),
                **budget,
                "status": "done",
                "diverged_at": None,
                "steps_to_target": 1 + place,
                **dict.fromkeys(RESULTS, value),
                "best_validation_loss_step": 225,
            }
        )
    steps = sorted({0, *(claim.step for claim in study.claims if claim.step is not None)})
    names = {claim.metric for claim in study.claims if claim.step is not None} - {None} | {"train_loss"}
    curves = pl.DataFrame({"trial": [row["trial"] for row in rows]}).join(pl.DataFrame({"step": steps}), how="cross")
    run = write_run(folder, study, [(rows, curves.with_columns(pl.lit(0.1).alias(name) for name in names))])
    note_claims(run.paths, study, 0, chance=True)
    return run


def untested(study: Study, folder: Path) -> set[int]:
    """The claims, counted from 1, that no trial of the study can test, however good its results are."""
    verdicts = claims(made_up(study, folder))
    assert len(verdicts) == len(study.claims)
    return {place for place, verdict in enumerate(verdicts, start=1) if verdict.verdict == UNTESTED}


@pytest.mark.parametrize("name", CLAIMING)
def test_some_preset_has_both_arms_of_every_claim(name, tmp_path):
    study = load_study(name)
    if "claims" in study.presets:
        assert untested(study.preset("claims"), tmp_path / "claims") == set()
        assert len(study.preset("claims").seed_list) >= 5
    else:
        seen = [untested(study.preset(preset).with_({"seeds": 2}), tmp_path / preset) for preset in ("quick", "full")]
        assert set.intersection(*seen) == set()


def test_the_count_sees_an_arm_that_is_left_out(tmp_path):
    study = load_study("convnet/losses").preset("claims")
    fewer = study.with_({"points": [point for point in study.points if "kappa" not in point["loss"]]})
    assert untested(fewer, tmp_path / "run") == {1}


# On what budget


def told(study: Study, folder: Path) -> list[str]:
    """What a reader is told of the budget, which is the same on the terminal, the page and in Markdown."""
    run = made_up(study, folder)
    verdicts = claims(run)
    found = [line for line in lines(run) if "made for" in line]
    lead, table, *_ = claim_blocks(run, verdicts)
    for text in (lead.text, table.caption):  # on the page, on paper
        assert all(line in text for line in found) and text.count("made for") == len(found)
    return found


def test_claims_made_about_a_larger_budget_say_so(tmp_path):
    study = load_study("convnet/losses").preset("claims").with_({"seeds": 2})
    assert told(study, tmp_path / "losses") == [
        "The 3 claims were made for 5,500 steps on 55,000 training examples; this run judges them on 100 steps on "
        "55,000 training examples."
    ]


SUBSETS = Study(
    name="subsets",
    task="mnist-softmax",
    data="full",
    seeds=3,
    metric="validation_accuracy",
    base={"optimizer": "adam", "learning_rate": 0.01, "batch_size": 50, "epochs": 2},
    axes={"subset": [500, 1000, 2000]},
    claims=[
        {"text": "more is better", "better": {"subset": 1000}, "worse": {"subset": 500}},
        {"text": "1,000 are best", "better": {"subset": 1000}, "worse": "others"},
        {"text": "all alike", "equal": {}, "margin": 0.1},
    ],
)


def test_each_claim_is_told_the_budget_of_its_own_arms(tmp_path):
    fewer = SUBSETS.with_({"axes": {"subset": [500, 1000]}})
    assert told(fewer, tmp_path / "fewer") == [
        "Claims 2 and 3 were made for 20 to 80 steps on 500 to 2,000 training examples in 3 configurations; this run "
        "judges them on 20 to 40 steps on 500 to 1,000 training examples in 2 configurations."
    ]


def test_budgets_of_several_claims_are_told_together(tmp_path):
    fewer = SUBSETS.with_({"base": {"epochs": 1}, "axes": {"subset": [500, 1000]}})
    assert told(fewer, tmp_path / "fewer") == [
        "The 3 claims were made for 20 to 80 steps on 500 to 2,000 training examples; this run judges them on 10 to "
        "20 steps on 500 to 1,000 training examples, some of them in fewer configurations."
    ]


def test_where_the_arms_train_as_they_were_written_nothing_is_said(tmp_path):
    assert told(SUBSETS, tmp_path / "whole") == []
    assert told(SUBSETS.with_({"seeds": 5, "evaluate_every": 7}), tmp_path / "more seeds") == []


def test_settings_count_as_a_preset_does_and_other_data_is_named(tmp_path):
    sample = SUBSETS.with_({"data": "sample"}).with_({"base": {"steps": 10}})
    assert told(sample, tmp_path / "sample") == [
        "The 3 claims were made for 20 to 80 steps on 500 to 2,000 training examples of the full data; this run "
        "judges them on 10 steps on 500 to 2,000 training examples of the sample."
    ]
    row = overview(fallline.open_run(tmp_path / "sample").records)["budget"].to_list()
    assert row[0] == (
        "made for 20 to 40 steps on 500 to 1,000 training examples of the full data; judged on 10 "
        "steps on 500 to 1,000 training examples of the sample"
    )


def test_new_claims_are_made_about_the_study_as_it_stands(tmp_path):
    claim = {"text": "so it is", "better": {"subset": 1000}, "worse": {"subset": 500}}
    assert told(SUBSETS.with_({"base": {"steps": 10}, "claims": [claim]}), tmp_path / "new") == []


def test_a_folder_from_before_budgets_were_noted_is_read_and_says_nothing(tmp_path):
    run = made_up(SUBSETS.with_({"base": {"steps": 10}}), tmp_path / "run")
    assert any("made for" in line for line in lines(run))
    notes = json.loads(run.paths.claims.read_text())
    run.paths.claims.write_text(json.dumps([{k: v for k, v in note.items() if k != "written"} for note in notes]))
    assert not any("made for" in line for line in lines(fallline.open_run(run.folder).records))
    run.paths.claims.write_text(json.dumps([note | {"written": [{"steps": 3}]} for note in notes]))
    with pytest.raises(fallline.errors.StoreError, match="damaged"):
        read_claims(run.paths)
