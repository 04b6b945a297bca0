"""The command line end to end: help, list, run, show, data; and that nothing is lost when a run is stopped."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import fallline
from fallline.errors import FalllineError, ModelError, StoreError, StudyError
from fallline.study import Study, parse_settings


def test_every_commands_help_has_an_example_and_imports_no_jax():
    code = """
import sys
import typer
from fallline.cli.app import app
from typer.testing import CliRunner
def walk(command, path):
    for name, inner in getattr(command, "commands", {}).items():
        yield from walk(inner, [*path, name])
    if not getattr(command, "commands", None):
        yield path
paths = list(walk(typer.main.get_command(app), []))
for path in paths:
    told = CliRunner().invoke(app, [*path, "--help"])
    print(" ".join(path), told.exit_code, f"Example: fallline {' '.join(path)}" in told.stdout)
print("jax" in sys.modules, "polars" in sys.modules)
"""
    *lines, heavy = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert {"list", "run", "show", "report", "data list", "data get", "data verify"} <= {
        line.rsplit(" ", 2)[0] for line in lines
    }
    assert all(line.endswith(" 0 True") for line in lines), lines
    assert heavy == "False False"


def test_list_names_every_study_with_its_presets_and_question(cli):
    code, out, _ = cli("list")
    assert code == 0 and "line/optimizers" in out and "full, quick" in out and "straight line" not in out
    assert "Which optimizer fits a line" in " ".join(out.split())


def test_version_is_the_packages(cli):
    assert cli("--version") == (0, f"fallline {fallline.__version__}\n", "")


def test_run_show_and_a_second_run(cli):
    code, out, error = cli("run", "try.toml", "--out", "run", "--no-report", "--set", "steps=8")
    assert code == 0 and "32 trial-steps" in error and "adam" in out and "momentum" in out
    assert cli("show", "run")[1] == out
    assert "The first 1 of 2 rows" in cli("show", "run", "--rows", "1")[1]
    trials = fallline.open_run("run").trials
    assert len(trials) == 4 and set(trials["steps"]) == {8}
    (environment,) = fallline.open_run("run").records.environments
    assert environment["command"] == "fallline run try.toml --out run --no-report --set steps=8"
    code, again, error = cli("run", "try.toml", "--out", "run", "--no-report", "--set", "steps=8")
    assert code == 0 and again == out and "every trial was already there, nothing was trained" in error
    code, _, error = cli("run", "try.toml", "--out", "run", "--no-report", "--set", "steps=8", "--set", "seeds=2")
    assert len(fallline.open_run("run").trials) == 8 and "32 trial-steps" in error, "only what is new is trained"


def test_a_table_keeps_its_columns_where_the_terminal_is_narrow(cli, monkeypatch):
    cli("run", "try.toml", "--out", "run", "--no-report", "--set", "marks=[1,2,3,4,5,6]")
    wide = cli("show", "run")[1]
    monkeypatch.setenv("COLUMNS", "20")
    assert cli("show", "run")[1] == wide and "…" not in wide
    last = fallline.open_run("run").summary()["train_loss_at_6_mean"].min()
    assert f"{last:.4g}"[:5] in wide


def test_a_run_without_out_goes_to_a_folder_named_after_study_and_preset(cli):
    code, _, _ = cli("run", "line/learning-rates", "--preset", "quick", "--no-report", "--set", "steps=4")
    assert code == 0 and len(fallline.open_run("runs/line-learning-rates-quick").trials) == 5


def test_an_optimizer_that_is_set_aside_takes_its_own_axes_with_it():
    study = fallline.load_study("line/optimizers")
    study = study.with_(parse_settings(["axes.optimizer=['adam', 'lion']"], Study.model_fields))
    assert len(study.trials()) == 2 * 5 and "rmsprop" not in study.axes
    study = fallline.load_study("line/optimizers").with_({"axes": {"optimizer": ["adam", "rmsprop"]}})
    assert len(study.trials()) == 5 + 2 * 5


def test_a_changed_target_keeps_its_metric():
    study = fallline.load_study("softmax/optimizers").with_(parse_settings(["target.value=0.5"], Study.model_fields))
    assert (study.target.metric, study.target.value) == ("validation_accuracy", 0.5)


def test_data_is_listed_and_a_wrong_file_is_found(cli):
    code, out, _ = cli("data", "list", "--data", "copies")
    assert code == 0 and all(name in out for name in ("mnist", "fashion-mnist", "cifar-10"))
    assert cli("data", "verify", "mnist", "--data", "copies")[0] == 0, "what is not there is not wrong"
    Path("copies/mnist").mkdir(parents=True)
    Path("copies/mnist/train-labels-idx1-ubyte.gz").write_bytes(b"torn")
    code, out, _ = cli("data", "verify", "mnist", "--data", "copies")
    assert code == 2 and "wrong" in out


def test_a_full_copy_is_verified(cli, data_folder):
    code, out, _ = cli("data", "verify", "mnist", "--data", data_folder)
    assert code == 0 and "wrong" not in out and "missing" not in out


def test_toml_and_python_train_the_same_trials(cli):
    cli("run", "try.toml", "--out", "toml", "--no-report")
    study = fallline.Study(
        name="try",
        task="line",
        metric="final_train_loss",
        base={"batch_size": "all", "steps": 6},
        axes={"optimizer": ["adam", "momentum"], "learning_rate": [0.1, 0.01]},
    )
    result = fallline.run(study, "python")
    written = fallline.open_run("toml")
    assert_frame_equal(written.trials, result.trials, check_exact=True)
    assert_frame_equal(written.curves, result.curves, check_exact=True)


def test_what_python_users_write_is_taken_or_refused_with_the_same_words():
    base = {"optimizer": "adam", "steps": np.int64(2), "batch_size": "all"}
    rates = np.logspace(-2, -1, 3)
    study = fallline.Study(name="p", task="line", base=base, axes={"learning_rate": rates}, seeds=range(2))
    assert [t.recipe.hyperparameters.flat["learning_rate"] for t in study.trials()[::2]] == rates.tolist()
    assert (
        study.hash
        == fallline.Study(
            name="p", task="line", base=base | {"steps": 2}, seeds=[0, 1], axes={"learning_rate": rates.tolist()}
        ).hash
    )
    mine, other = (fallline.Optimizer.plug("mine", lambda learning_rate: None, learning_rate=0.1) for _ in range(2))
    for wrong in (
        {"base": base | {"optimizer": 3}},
        {"task": 3},
        {"seeds": "3"},
        {"axes": {"optimizer": [mine, other]}},
    ):
        with pytest.raises(StudyError) as told:
            fallline.Study(**{"name": "p", "task": "line", "base": base} | wrong).trials()
        assert len(str(told.value)) < 400
    with pytest.raises(ModelError, match="lambda key: MyModule"):
        import equinox as eqx
        import jax

        fallline.from_equinox(eqx.nn.Linear(2, 2, key=jax.random.key(0)))
    with pytest.raises(FalllineError, match="no study is named"):
        fallline.run("optimizers")
    with pytest.raises(StoreError, match="not a run folder"):
        fallline.open_run("nowhere")


STOPPED = """
task = "mnist-softmax"
seeds = 3
evaluate_every = 100
[base]
batch_size = 20
steps = 1500
[axes]
optimizer = ["adam", "momentum"]
learning_rate = [0.1, 0.03, 0.01, 0.003]
"""
COMMAND = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent in the background has it ignored
from fallline.cli import main
for folder in {folders}:
    sys.argv = ["fallline", "run", "long.toml", "--no-report", "--resume", "--out", folder]
    try:
        main()
    except SystemExit as ended:
        if ended.code:
            raise
"""
MOMENTS = {"planned": "plan.json", "under-way": "checkpoints/*.npz", "a-block-done": "trials/*.parquet"}


def start(tmp_path, *folders):
    """The study STOPPED, run in a process of its own, a checkpoint after every chunk."""
    (tmp_path / "long.toml").write_text(STOPPED)
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND.format(folders=folders)],
        cwd=tmp_path,
        text=True,
        env=os.environ | {"FALLLINE_CHECKPOINT_SECONDS": "0"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def stop(tmp_path, folder, moment, how):
    """Start the study and send it a signal as soon as it has come so far; what it said on stderr."""
    process = start(tmp_path, folder)
    deadline = time.monotonic() + 120
    while not list((tmp_path / folder).glob(moment)):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()[1]
        time.sleep(0.002)
    process.send_signal(how)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == (130 if how == signal.SIGINT else -how), error
    return error


def test_what_is_stopped_or_killed_goes_on_and_ends_with_the_same_records(tmp_path):
    error = stop(tmp_path, "ctrl-c", MOMENTS["under-way"], signal.SIGINT)
    assert "fallline: stopped; what was done is kept in ctrl-c. Continue with the same command and --resume." in error
    assert "Traceback" not in error and not (tmp_path / "ctrl-c/lock.json").exists()
    assert list((tmp_path / "ctrl-c/checkpoints").glob("*.npz"))
    for name, moment in MOMENTS.items():
        stop(tmp_path, name, moment, signal.SIGKILL)
        assert (tmp_path / name / "lock.json").exists()
    (tmp_path / "planned/trials").mkdir(exist_ok=True)
    (tmp_path / "planned/trials/.r1-c000-b000.parquet.abcd1234").write_bytes(b"half")
    done = pl.read_parquet(tmp_path / "a-block-done/trials/*.parquet")
    process = start(tmp_path, "whole", "ctrl-c", *MOMENTS)
    error = process.communicate(timeout=240)[1]
    assert process.returncode == 0, error
    whole = fallline.open_run(tmp_path / "whole")
    assert len(whole.trials) == 24 and len(whole.curves) == 24 * 1501
    for name in ("ctrl-c", *MOMENTS):
        again = fallline.open_run(tmp_path / name)
        assert_frame_equal(again.trials_with_test(), whole.trials_with_test(), check_exact=True)
        assert_frame_equal(again.curves, whole.curves, check_exact=True)
        left = [*(tmp_path / name).rglob(".*"), *(tmp_path / name).glob("lock.json"), *(tmp_path / name).glob("check*")]
        assert not left
    kept = (
        fallline.open_run(tmp_path / "a-block-done")
        .trials_with_test()
        .filter(pl.col("trial").is_in(done["trial"].to_list()))
    )
    assert_frame_equal(kept, done, check_exact=True)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 KiB in memory; never a full disk of the machine."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if (
        mount is None
        or subprocess.run([mount, "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], capture_output=True).returncode
    ):
        pytest.skip("a small file system cannot be mounted here (it needs Linux and root)")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("blocks_first", [False, True])
def test_a_full_disk_is_said_and_the_run_goes_on_once_there_is_room(cli, small_disk, blocks_first):
    run = ("run", "try.toml", "--out", small_disk / "run", "--no-report")
    if blocks_first:
        assert cli(*run)[0] == 0
    long = (*run, "--set", "steps=20000", "--set", "axes.learning_rate=[1e-4, 2e-4]")
    code, _, error = cli(*long)
    assert code == 2 and "the disk is full; free some space, then run again with --resume" in error
    assert [line[:9] for line in error.splitlines() if not line[:1].isdigit()] == ["fallline:"]  # the rest is progress
    assert not (small_disk / "run/lock.json").exists()
    if blocks_first:
        assert len(fallline.open_run(small_disk / "run", all_rounds=True).trials) == 4, "what was finished is whole"
    subprocess.run(["mount", "-o", "remount,size=16m", small_disk], check=True)
    assert cli(*long, "--resume")[0] == 0
    assert len(fallline.open_run(small_disk / "run").curves.filter(step=20000)) == 4
