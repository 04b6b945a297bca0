"""The commands around a run: new, check, predict, runs, rename, rm, open."""

from __future__ import annotations

import json
import os
import webbrowser
from pathlib import Path

import numpy as np
import pytest

import fallline
from command_line import cli  # noqa: F401
from fallline.api.checking import StudyCheck
from fallline.api.runs import remove_run, rename_run
from fallline.api.study_text import templates
from fallline.errors import StoreError, StudyError
from fallline.store.paths import RunPaths
from fallline.study import parse_study

TABLE = "when,plan,spend,left\n" + "".join(
    f"2024-{1 + n % 12:02d}-{1 + n % 28:02d},{'abc'[n % 3]},{n * 7 % 50},{'yes' if n % 5 == 0 else 'no'}\n"
    for n in range(120)
)


@pytest.fixture
def here(cli, tmp_path):  # noqa: F811
    pytest.importorskip("sklearn")
    Path("shop.csv").write_text(TABLE)
    return cli


def test_a_new_study_of_a_file_is_commented_checked_and_run(here):
    code, out, _ = here("new", "shop.csv", "--target", "left")
    assert code == 0 and "fallline check shop.toml" in out
    text = Path("shop.toml").read_text()
    assert '# when = "date"  # dates, read as %Y-%m-%d' in text and '# plan = "category"' in text
    assert "best_validation_balanced_accuracy" in text and '\nclass_weights = "balanced"' in text
    study = parse_study(text, "shop", Path.cwd())
    assert len(study.trials()) == 3 * 2 * 5
    code, out, _ = here("check", "shop.toml")
    assert code == 0 and "30 trials (6 settings x 5 seeds)" in out and "Nothing is wrong with it" in out
    assert "left (2 classes) of shop.csv" in out and "dates, read as" in out
    small = ("--set", "seeds=1", "--set", "epochs=1", "--set", "axes.learning_rate=[0.01]")
    code, _, error = here("run", "shop.toml", *small)
    assert code == 0, error
    code, out, _ = here("predict", "runs/shop", "shop.csv")
    assert code == 0 and "120 rows with predictions are in shop-predicted.csv" in out
    first = Path("shop-predicted.csv").read_text().splitlines()[0]
    assert first == "when,plan,spend,left,prediction,probability no,probability yes"


def test_a_study_that_is_there_is_not_replaced_and_a_file_without_target_lists_its_columns(here):
    here("new", "shop.csv", "--target", "left")
    code, _, error = here("new", "shop.csv", "--target", "plan")
    assert code == 2 and "shop.toml exists" in error
    code, _, error = here("new", "shop.csv", "--out", "other.toml")
    assert code == 2 and "shop.csv has when, plan, spend, left" in error and not Path("other.toml").exists()


@pytest.mark.parametrize("name", templates())
def test_a_template_is_a_study_whose_preset_quick_is_right(name):
    if "[data]" in templates()[name]:
        pytest.importorskip("sklearn")
    study = parse_study(fallline.new_study(template=name), name)
    assert study.question and study.preset("quick").trials()
    assert fallline.check_study(study).problems == []


def test_an_unknown_template_and_neither_file_nor_template_say_what_there_is():
    with pytest.raises(StudyError, match="did you mean optimizers"):
        fallline.new_study(template="optimizer")
    with pytest.raises(StudyError, match="architectures, learning-rates, optimizers, regression"):
        fallline.new_study()


def test_all_that_is_wrong_is_said_at_once_and_nothing_is_written(here):
    Path("bad.toml").write_text(
        'metric = "validation_acuracy"\n[data]\ncsv = "shop.csv"\ntarget = "left"\n[base]\noptimizer = "adm"\n'
        "batch_size = 0\nepochs = 2\nwidht = 3\n[axes]\nlearning_rate = [0.1, -1]\nwidth = [0]\n"
    )
    code, out, _ = here("check", "bad.toml")
    assert code == 2 and out.startswith("bad.toml: 4 things to correct\n"), out
    for part in ("'adm' (bad, base.optimizer)", "batch_size must be", "'widht'", "width must be a whole number"):
        assert part in out
    assert not Path("runs").exists()
    Path("bad.toml").write_text('tsk = "line"\nseeds = 0\n[base]\noptimizer = "adam"\n')
    code, out, _ = here("check", "bad.toml")
    assert code == 2 and "3 things" in out and "task is missing" in out and "seeds" in out


def test_a_metric_and_a_figure_that_do_not_exist_are_found_without_training(here):
    Path("bad.toml").write_text(
        'metric = "validation_accuracy"\ntask = "line"\n[base]\noptimizer = "adam"\nlearning_rate = 0.1\nsteps = 2\n'
    )
    code, out, _ = here("check", "bad.toml")
    assert code == 2 and "validation_accuracy" in out


def test_a_study_that_is_right_and_may_mislead_has_notes():
    study = fallline.Study(name="s", task="line", metric="final_train_loss", base={"optimizer": "adam", "steps": 3})
    check = fallline.check_study(study.with_({"base": {"learning_rate": 0.1}}))
    assert check and isinstance(check, StudyCheck) and any("One seed only" in note for note in check.notes)


@pytest.fixture
def runs(cli):  # noqa: F811
    for name in ("one", "two"):
        assert cli("run", "try.toml", "--out", f"runs/{name}", *(["--no-report"] if name == "two" else []))[0] == 0
    return cli


def test_runs_are_listed_with_state_and_answer_renamed_opened_and_removed(runs, monkeypatch):
    found = json.loads(runs("runs", "--json")[1])
    assert {run["folder"]: (run["state"], run["trials"]) for run in found} == {
        "runs/one": ("finished", 4),
        "runs/two": ("finished", 4),
    }
    answers = {run["folder"]: run["answer"] for run in found}
    assert answers["runs/one"] and not answers["runs/two"], "a run without a report has no answer yet"
    code, out, _ = runs("runs")
    assert code == 0 and "runs/one" in out and "just now" in out

    assert runs("rename", "runs/one", "first")[0] == 0 and fallline.open_run("runs/first").trials.height == 4
    code, _, error = runs("rename", "runs/first", "two")
    assert code == 2 and "runs/two exists" in error

    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda address: bool(opened.append(address)) or True)
    assert runs("open", "runs/two")[0] == 0 and Path("runs/two/report/report.html").exists()
    assert opened == [Path("runs/two/report/report.html").absolute().as_uri()]

    assert runs("rm", "runs/first", "--yes")[0] == 0 and not Path("runs/first").exists()
    assert [run.name for run in fallline.list_runs()] == ["try"]


def test_what_is_no_run_or_is_being_written_is_left_alone(runs, tmp_path):
    Path("photos").mkdir()
    with pytest.raises(StoreError, match="photos is not a run folder"):
        remove_run("photos")
    Path("runs/link").symlink_to(Path("runs/two").absolute())
    with pytest.raises(StoreError, match="is not a run folder"):
        remove_run("runs/link")
    with pytest.raises(StoreError, match="there is no folder nowhere"):
        fallline.list_runs("nowhere")
    Path("runs/two/lock.json").write_text(json.dumps({"host": os.uname().nodename, "pid": os.getppid()}))
    with pytest.raises(StoreError):
        remove_run("runs/two")
    assert fallline.open_run("runs/two").trials.height == 4


def test_a_run_that_cannot_be_read_is_listed_as_such(runs):
    Path("runs/two/plan.json").write_text("{")
    (broken,) = [run for run in fallline.list_runs() if run.folder.name == "two"]
    assert broken.state == "unreadable" and "plan.json" in broken.problem


def test_a_stopped_run_is_told_from_a_finished_one(runs):
    paths = RunPaths(Path("runs/two"))
    (block,) = paths.done_blocks()
    paths.trials(block).unlink()
    (stopped,) = [run for run in fallline.list_runs() if run.folder.name == "two"]
    assert (stopped.state, stopped.trials) == ("stopped", 0)
    assert rename_run("runs/two", "three") == Path("runs/three")


def test_two_runs_are_compared_with_what_differs_between_their_studies(cli):  # noqa: F811
    common = (
        "--no-report",
        "--set",
        "task=mnist-softmax",
        "--set",
        "metric=validation_accuracy",
        "--set",
        "batch_size=50",
    )
    for name, steps, seeds in (("short", 2, 3), ("long", 60, 4)):
        more = ("--set", "marks=[]", "--set", f"steps={steps}", "--seeds", seeds)
        code, _, error = cli("run", "try.toml", *common, *more, "--out", f"runs/{name}")
        assert code == 0, error
    code, out, error = cli("compare", "runs/short", "runs/long")
    assert code == 0, error
    assert "The best setting of runs/long is significantly better" in out
    fields = {line.split("  ")[0].strip(): line.split() for line in out.splitlines()}
    assert (
        fields["base.steps"][1:] == ["2", "60"] and fields["seeds"][1:] == ["3", "4"] and "axes.optimizer" not in fields
    )
    code, _, error = cli("compare", "runs/short", "runs/long", "--metric", "test_accuracy")
    assert code == 2 and "by the held-out test set" in error


def test_the_difference_of_two_runs_is_that_of_welch(tmp_path):
    from scipy.stats import ttest_ind

    from fallline.report.two_runs import _welch

    rng = np.random.default_rng(0)
    for n, m in ((5, 5), (3, 8), (20, 4)):
        a, b = rng.normal(0.4, 1, n), rng.normal(0, 3, m)
        exact = ttest_ind(a, b, equal_var=False)
        difference, low, high, p = _welch(a, b)
        assert difference == pytest.approx(a.mean() - b.mean()) and low < difference < high
        assert p >= exact.pvalue - 1e-12, "whole degrees of freedom, rounded down, are never optimistic"
        if exact.df.is_integer():
            assert p == pytest.approx(exact.pvalue)
    assert _welch(a[:1], b)[3] is None
