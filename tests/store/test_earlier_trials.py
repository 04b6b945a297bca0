"""A study that is edited and run into the same folder: the answer is about the study as it stands, nothing is lost."""

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import fallline
from fake_run import tiny
from fallline.errors import StoreError, StudyError
from fallline.report.sentences.commands import again
from fallline.report.sentences.earlier import earlier_in_words
from fallline.report.terminal import shown
from fallline.store import Run
from fallline.study import Study

FIELDS = {
    "name": "edited",
    "task": "line",
    "metric": "final_train_loss",
    "seeds": 3,
    "base": {"batch_size": 2, "steps": 6},
    "axes": {"optimizer": ["gradient_descent", "momentum"], "learning_rate": [0.01, 0.001]},
}
EDITS = {
    "steps": {"base": {"batch_size": 2, "steps": 4}},
    "batch size": {"base": {"batch_size": 4, "steps": 6}},
    "optimizers": {"axes": {"optimizer": ["adam", "momentum"], "learning_rate": [0.01, 0.001]}},
    "fewer optimizers": {"axes": {"optimizer": ["momentum"], "learning_rate": [0.01, 0.001]}},
    "rates": {"axes": {"optimizer": ["gradient_descent", "momentum"], "learning_rate": [0.02, 0.001]}},
    "fewer seeds": {"seeds": 2},
}


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    return fallline.run(Study(**FIELDS), tmp_path_factory.mktemp("before") / "run").folder


def copied(folder: Path, to: Path) -> Path:
    import shutil

    return Path(shutil.copytree(folder, to / "run"))


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_study_is_answered_as_it_stands(edit, before, tmp_path):
    study = Study(**FIELDS | EDITS[edit])
    result = fallline.run(study, copied(before, tmp_path))
    alone = fallline.run(study, tmp_path / "alone")
    names = {trial.name for trial in study.trials()}
    assert set(result.trials["trial"]) == names == set(result.curves["trial"].unique())
    assert_frame_equal(
        result.summary().drop("configuration"), alone.summary().drop("configuration"), check_column_order=False
    )
    if len(EDITS[edit].get("axes", {}).get("optimizer", "ab")) > 1:
        assert_frame_equal(result.compare().pairs, alone.compare().pairs)
        assert result.compare().answer == alone.compare().answer
    assert not result.records.missing
    kept = fallline.open_run(result.folder, all_rounds=True)
    assert set(kept.trials["trial"]) == names | {trial.name for trial in Study(**FIELDS).trials()}
    left_out = 12 - len(names & {trial.name for trial in Study(**FIELDS).trials()})
    assert result.records.earlier.height == left_out
    said = str(result)
    assert said.count("of an earlier form of this study") == 1
    assert f"{left_out} trials of an earlier form of this study are in the folder and not part of this answer" in said
    assert f"{left_out} trials of an earlier form of this study are part of this answer" in str(shown(kept.records))


def test_a_study_that_grew_has_no_earlier_trials(before, tmp_path):
    folder = copied(before, tmp_path)
    result = fallline.run(Study(**FIELDS | {"seeds": 4}), folder)
    assert result.trials.height == 16
    assert result.records.earlier.is_empty() and earlier_in_words(result.records) == ""
    assert "earlier" not in json.loads((folder / "plan.json").read_text())


def test_going_back_to_the_earlier_form_trains_nothing_and_answers_for_it(before, tmp_path):
    folder = copied(before, tmp_path)
    fallline.run(Study(**FIELDS | EDITS["steps"]), folder)
    blocks = sorted(path.name for path in (folder / "trials").iterdir())
    back = fallline.run(Study(**FIELDS), folder)
    assert sorted(path.name for path in (folder / "trials").iterdir()) == blocks
    assert set(back.trials["steps"]) == {6} and back.records.earlier.height == 12


def test_exports_claims_and_the_page_leave_earlier_trials_out(before, tmp_path):
    claim = {
        "text": "the two are alike",
        "equal": [{"optimizer": "momentum"}, {"optimizer": "gradient_descent"}],
        "margin": 1e9,
        "metric": "final_train_loss",
    }
    result = fallline.run(Study(**FIELDS | EDITS["steps"] | {"claims": [claim]}), copied(before, tmp_path))
    assert result.claims(comparisons=True).height == 2  # one a rate; with the 6 steps there would be four
    folder = result.export("csv")
    assert set(pl.read_csv(folder / "trials.csv")["steps"]) == {4}
    assert pl.read_csv(folder / "curves.csv")["step"].max() == 4
    page = result.report()
    assert set(pl.read_csv(page.parent / "tables" / "ranked.csv")["steps"]) == {4}
    assert "12 trials of an earlier form of this study" in page.with_suffix(".md").read_text()


def test_a_stopped_form_that_was_given_up_does_not_ask_for_resume_for_ever(tmp_path):
    folder = fallline.run(Study(**FIELDS), tmp_path / "run").folder
    for path in (folder / "trials").iterdir():
        path.unlink()  # as if it had been stopped before its block was done
    edited = Study(**FIELDS | EDITS["steps"])
    with pytest.raises(StoreError, match="--fresh"):
        fallline.run(edited, folder)
    assert not fallline.run(edited, folder, resume=True).records.missing
    assert fallline.run(edited, folder).trials.height == 12


def test_mistakes_are_those_of_the_study_as_it_stands(tmp_path):
    study = {
        "name": "m",
        "task": "mnist-softmax",
        "metric": "validation_accuracy",
        "seeds": 1,
        "base": {"batch_size": 100, "steps": 2, "learning_rate": 0.1},
        "axes": {"optimizer": ["adam", "momentum"]},
    }
    folder = fallline.run(Study(**study), tmp_path / "run").folder
    assert set(Run(folder).mistakes["trials"]) == {2}
    result = fallline.run(Study(**study | {"axes": {"optimizer": ["adam"]}}), folder)
    assert set(Run(folder).mistakes["trials"]) == {1}
    found = result.verify()
    assert found and not found.findings, found


def test_fresh_puts_the_folder_aside_and_begins_anew(before, tmp_path):
    folder, heard = copied(before, tmp_path), []
    files = sorted(path.relative_to(folder) for path in folder.rglob("*"))
    edited = Study(**FIELDS | EDITS["steps"])
    result = fallline.run(edited, folder, fresh=True, on_message=heard.append)
    aside = tmp_path / "run-before-1"
    assert sorted(path.relative_to(aside) for path in aside.rglob("*")) == files
    assert heard == [f"what was in {folder} is now in {aside}; nothing of it is used here"]
    assert result.trials.height == 12 and result.records.earlier.is_empty()
    alone = fallline.run(edited, tmp_path / "alone", fresh=True)
    assert alone.summary().equals(result.summary(), null_equal=True)
    fallline.run(edited, folder, fresh=True)
    assert (tmp_path / "run-before-2").is_dir() and fallline.verify(aside)


def test_fresh_touches_nothing_where_the_study_is_wrong_or_the_folder_is_another_s(before, tmp_path):
    folder = copied(before, tmp_path)
    with pytest.raises(fallline.errors.FalllineError):
        fallline.run(Study(**FIELDS | {"metric": "validation_nonsense"}), folder, fresh=True)
    with pytest.raises(StudyError, match="leave out --fresh"):
        fallline.run(Study(**FIELDS), folder, fresh=True, resume=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("dear")
    with pytest.raises(StoreError, match="not a run folder"):
        fallline.run(Study(**FIELDS), tmp_path / "other", fresh=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "run"]


def test_an_advised_command_does_not_put_the_run_aside(tmp_path):
    run = tiny(tmp_path / "run", [{"validation_accuracy": 0.5}])
    noted = run.paths.environments / "0.json"
    noted.write_text(json.dumps(json.loads(noted.read_text()) | {"command": "fallline run x.toml --fresh --out r"}))
    assert again(Run(run.folder), {"seeds": 5}).startswith("fallline run x.toml --out r --resume --seeds 5")


def test_the_commands_take_all_rounds_and_fresh(before, tmp_path):
    folder = copied(before, tmp_path)
    fallline.run(Study(**FIELDS | EDITS["steps"]), folder)
    shown = {}
    for flags in ([], ["--all-rounds"]):
        done = subprocess.run(
            [sys.executable, "-m", "fallline", "compare", str(folder), *flags],
            text=True,
            capture_output=True,
            check=True,
        )
        shown[bool(flags)] = done.stdout
    assert "not part of this answer" in shown[False] and "6 steps" not in shown[False]
    assert "are part of this answer" in shown[True] and "6 steps" in shown[True]


def test_status_counts_the_cohorts_of_the_study_as_it_stands(tmp_path):
    folder = tmp_path / "run"
    fallline.launch(Study(**FIELDS), folder, executor="local", dry=True)
    jobs = fallline.launch(Study(**FIELDS | EDITS["steps"]), folder, executor="local", dry=True)
    frame = jobs.status()
    assert frame["trials"].to_list() == [12] and frame["steps"].to_list() == [12 * 4]


def test_seeds_that_a_look_has_seen_stay_in_the_answer(tmp_path):
    study = {
        **FIELDS,
        "axes": {"optimizer": ["gradient_descent", "momentum"]},
        "base": {"batch_size": 2, "steps": 6, "learning_rate": 0.01},
    }
    folder = tmp_path / "run"
    seen = fallline.run(Study(**study), folder, until_decided=True, max_seeds=6).trials["seed"].n_unique()
    again = fallline.run(Study(**study), folder)
    assert seen >= 5 and again.trials["seed"].n_unique() == seen and again.records.earlier.is_empty()
    edited = study | {"base": {"batch_size": 2, "steps": 4, "learning_rate": 0.01}}
    assert set(fallline.run(Study(**edited), folder).trials["steps"]) == {4}
