"""What a new user gets wrong: each a screen of text that names the place and the remedy, exit code 2, nothing lost."""

import json
import os
import socket
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import fallline
from command_line import STUDY


def refused(told, *parts):
    code, _, error = told
    assert code == 2 and error.startswith("fallline: ") and len(error.splitlines()) < 20 and len(error) < 2000, error
    for part in parts:
        assert part in error
    return error


@pytest.mark.parametrize(
    "setting, part",
    [
        ("axes.optimizer=['adam','adm']", "is named 'adm' (try, axes.optimizer, value 2 of 2); did you mean adam"),
        ("axes.momentun=[0.9]", "is named 'momentun' (try, axes.momentun); did you mean momentum"),
        ("axes.momentum=[0, 0.5, 0.9, 1.0]", "momentum must lie in [0, 1), got 1.0 (try, axes.momentum, value 4 of 4)"),
        ("axes.learning_rate=[0.1, 0]", "learning_rate must be > 0, got 0 (try, axes.learning_rate, value 2 of 2)"),
        ("axes.learning_rate=[-0.1]", "got -0.1"),
        ("axes.learning_rate=[nan]", "got nan"),
        ("axes.learning_rate=[inf]", "got inf"),
        ("axes.learning_rate=['high']", "got 'high'"),
        ("axes.learning_rate=[true]", "got True"),
        ("axes.learning_rate=[1e-60]", "where 1e-60 is 0.0"),
        ("axes.learning_rate=[1e60]", "where 1e+60 is inf"),
        ("axes.momentum=[0.99999999999]", "where 0.99999999999 is 1.0"),
        ("axes.learning_rate=[]", "an axis is a list of at least one value, got [] (try, axes.learning_rate)"),
        ("axes.learning_rate=0.1", "an axis is a list of at least one value, got 0.1"),
        ("axes.learning_rate=[99999999999999999999]", "a whole number must fit in 64 bits"),
        (
            "axes.loss=['squared_error', 'hinge']",
            "no loss is named 'hinge' (try, axes.loss, value 2 of 2); there are: ",
        ),
        ("learning_rate=0.5", "learning_rate is among the axes of try"),
        ("batch_size=5", "batch_size must be at most the number of training examples, 4; got 5"),
        ("batch_size=0", 'batch_size must be a whole number >= 1 or "all", got 0 (try, base.batch_size)'),
        ("steps=0", "steps must be a whole number >= 1, got 0 (try, base.steps)"),
        ("steps=many", "got 'many'"),
        ("steps=9999999999", "steps must be at most 2,147,483,647"),
        ("steps=2000000000", "points of curves"),
        ("seeds=0", "seeds: must be a count from 1 to 100000 or a list of seeds (got 0)"),
        ("seeds=[1, 1]", "different whole numbers"),
        ("seeds=true", "seeds: must be a count"),
        ("data=ful", "data: Input should be 'sample' or 'full'"),
        ("task=lines", "no task is named 'lines' (try, task); did you mean line?"),
        ("base=3", "base: Input should be a valid dictionary (got 3)"),
        ("stpes=3", "'stpes' (try, base.stpes); did you mean steps"),
        ("dsign=cross", "did you mean design"),
        ("metric=validation_acuracy", "no metric of task line is named 'validation_acuracy' (try, metric)"),
        ("metric=final_trainloss", "did you mean final_train_loss"),
        ("target={metric='trian_loss', value=1}", "'trian_loss' (try, target.metric); did you mean train_loss"),
        ("target.value=nan", "target.value: Input should be a finite number"),
        ("target.valu=1", "no field of a target is named 'valu' (target); did you mean value?"),
        ("figures=[{knd='curves'}]", "no field of a figure is named 'knd' (figures.0); did you mean kind?"),
        ("figures=[{kind='curvs'}]", "no figure is named 'curvs' (try, figures, 1 of 1); did you mean curves"),
        ("zip=[{momentum=[0.1, 0.2], steps=[3]}]", "need equal lengths: momentum has 2, steps has 1 (try, zip 1)"),
        ("zip=[{learning_rate=[0.1]}]", "learning_rate varies in axes and in zip 1"),
        ("name=other", "choose a folder with --out"),
        ("steps", "--set takes name=value, got 'steps'"),
        ("=3", "--set takes name=value"),
        ("steps=[1,", "'[1,' is not a value"),
        ("steps=1\nseeds=2", "is not a value"),
        ("x=" + "[" * 5000, "is not a value"),
    ],
)
def test_a_wrong_setting_is_named_with_its_law_and_place(cli, setting, part):
    refused(cli("run", "try.toml", "--out", "run", "--set", setting), part)
    assert not Path("run").exists()


@pytest.mark.parametrize(
    "content, part",
    [
        (b"task = ", "bad.toml is not valid TOML: Invalid value (at"),
        (b"\x89PNG\r\n\x1a\n\xff", "bad.toml is not UTF-8 text: invalid start byte at byte 0"),
        (b"x = 1\n" * 200_000, "has more than 1,000,000 bytes"),
        (b"x = " + b"[" * 100_000, "is not valid TOML"),
        (b"x = " + b"9" * 10_000, "is not valid TOML"),
        (b"", "task is missing; write: task = ..."),
        (b"task = 3", "task: must be a task's name, 'file.py:name' or a fallline.Task"),
        (b"task = 'line'\nself = 1\nquestoin = 'why?'", "named 'questoin'; did you mean question"),
        (b"task = 'line'\nname = '../up'", "name: must be letters, digits"),
        (
            STUDY.encode() + b"seeds = 3",
            "seeds is a field of the study, not of a recipe (bad, axes.seeds); write it at",
        ),
        (STUDY.encode() + b"adam = 3", "is named 'adam' (bad, axes.adam)"),
        (b"".join(b"x%d = 1\n" % i for i in range(100)), "and 94 more"),
    ],
)
def test_a_file_that_is_no_study_says_why(cli, content, part):
    Path("bad.toml").write_bytes(content)
    refused(cli("run", "bad.toml"), part)


def test_an_odd_file_name_still_names_a_study(cli):
    Path("my study (2).toml").write_text(STUDY)
    assert fallline.load_study("my study (2).toml").name == "my-study-2"


@pytest.mark.parametrize(
    "arguments, part",
    [
        (["run", "missing.toml"], "cannot read the study missing.toml: No such file or directory"),
        (["run", "."], "cannot read the study .: Is a directory"),
        (["run", "line/optimizer"], "did you mean line/optimizers"),
        (["run", "a" * 5000], "no study is named"),
        (["run", "line/optimizers", "--preset", "quik"], "is named 'quik' (line/optimizers); did you mean quick?"),
        (["run", "try.toml", "--out", "try.toml"], "try.toml is a file, not a folder; choose another with --out"),
        (
            ["run", "try.toml", "--out", "try.toml/below"],
            "a part of that path is a file; choose another folder with --out",
        ),
        (["run", "try.toml", "--out", "."], ". holds other files and is not a run folder; choose another with --out"),
        (["run", "try.toml", "--out", "b" * 300], "File name too long; choose another folder with --out"),
        (["show", "nowhere"], "nowhere is not a run folder: it has no plan.json"),
        (["show", "c" * 300], "File name too long"),
        (["report", "try.toml"], "try.toml is not a run folder"),
        (["data", "get", "mnst"], "no dataset is named 'mnst'; did you mean mnist?"),
    ],
)
def test_a_wrong_name_or_place_says_what_to_write_instead(cli, arguments, part):
    refused(cli(*arguments), part)
    assert Path("try.toml").read_text() == STUDY


OWN = """
import jax.numpy as jnp
import numpy as np
import optax
import fallline; from fallline import from_arrays, from_equinox, from_functions

def width(n, inputs=2):
    return from_functions(lambda key: {{"W": jnp.zeros((n, inputs))}}, lambda w, x: x @ w["W"].T, name="linear")

GOOD = (np.zeros((4, 2), np.float32), np.array([0, 1, 1, 0]))
{line}
"""
TASK = 'TASK = from_arrays("own", model={model}, train={train}, loss={loss}, **{more})'


def own_task(model="width(2)", train="GOOD", loss="'softmax_cross_entropy'", more="{}"):
    return TASK.format(model=model, train=train, loss=loss, more=more)


@pytest.mark.parametrize(
    "line, part",
    [
        ("TASK = 1 / 0", "own.py, line 11, fails when it is loaded: ZeroDivisionError: division by zero (own, task)"),
        ("TASK = (", "fails when it is loaded: SyntaxError"),
        ("import sys; sys.exit('bye')", "fails when it is loaded: SystemExit: bye"),
        (
            "OTHER = from_arrays('o', model=width(2), train=GOOD, loss='squared_error')",
            "own.py must hold a fallline.Task named TASK, found nothing (own, task); it holds OTHER",
        ),
        ("TASK = width(2)", "found one of type Model"),
        (own_task(model="width(1)"), "softmax_cross_entropy needs two classes or more, got one output per example"),
        (own_task(model="width(2, inputs=3)"), "model linear fails on a batch of inputs (2, 2) (float32)"),
        (own_task(model="from_functions(lambda key: {}, lambda w, x: x)"), "has no weights; init(key) must give"),
        (own_task(model="from_functions(lambda key: jnp.zeros(3, int), lambda w, x: x)"), "is an array of int32"),
        (
            own_task(model="from_functions(lambda key: key.nothing, lambda w, x: x)"),
            "init(key) of model <lambda> fails",
        ),
        (own_task(model="from_equinox(3)"), "ModelError: make must be a function of a key, got int"),
        (
            own_task(model="from_functions(lambda k: jnp.ones(2), lambda w, x: x * w, watch=lambda w: {'step': w[0]})"),
            "cannot be named 'step'",
        ),
        (own_task(loss="fallline.Loss('flat', lambda o, t: o.mean())"), "loss flat must give one value per example"),
        (own_task(loss="fallline.Loss('softmax_cross_entropy', lambda o, t: o[:, 0])"), "as a built-in loss is"),
        (own_task(loss="'softmax'"), "did you mean softmax_cross_entropy?"),
        (own_task(train="(GOOD[0], GOOD[1] + 5)"), "train label 5 of example 0 must lie in 0 ... 1"),
        (own_task(train="(GOOD[0] + np.nan, GOOD[1])"), "train inputs hold nan at index (0, 0)"),
        (own_task(train="(GOOD[0].astype(float) + 1e300, GOOD[1])"), "train inputs must fit in float32"),
        (own_task(train="(GOOD[0], GOOD[1] + 2**40)"), "train targets must fit in int32"),
        (own_task(more="{'test': (GOOD[0][:, :1], GOOD[1])}"), "test inputs have examples of shape (1,)"),
        (own_task(more="{'metrics': {'loss': lambda o, t: o[:, 0]}}"), "cannot be named 'loss'"),
        (own_task(more="{'metrics': ['acuracy']}"), "did you mean accuracy"),
        (own_task(train="(GOOD[0],)"), "train must be a pair (inputs, targets)"),
    ],
)
def test_what_is_wrong_in_a_users_own_file_is_said_before_training(cli, line, part):
    Path("own.py").write_text(OWN.format(line=line))
    Path("own.toml").write_text('task = "own.py:TASK"\n[base]\noptimizer = "adam"\nsteps = 2\nbatch_size = 2\n')
    refused(cli("run", "own.toml", "--out", "run", "--no-report"), part)
    assert not Path("run").exists()


@pytest.mark.parametrize(
    "rule, axis, part",
    [
        ("fallline.Optimizer.plug('mine', optax.sgd, lr=0.1)", "lr", "optimizer mine fails when it is made with lr"),
        (
            "fallline.Optimizer.plug('mine', lambda learning_rate: optax.sgd(1 if learning_rate > 1 else 2), "
            "learning_rate=1)",
            "learning_rate",
            "TracerBoolConversionError",
        ),
        (
            "fallline.Optimizer.plug('mine', lambda learning_rate: None, learning_rate=1)",
            "learning_rate",
            "AttributeError",
        ),
        ("fallline.Optimizer.plug('adam', optax.adam, learning_rate=1)", "learning_rate", "as a built-in optimizer is"),
        ("optax.adam(0.1)", "learning_rate", "must hold a fallline.Optimizer named RULE"),
    ],
)
def test_an_optimizer_of_ones_own_is_tried_before_training(cli, rule, axis, part):
    Path("own.py").write_text(OWN.format(line=f"RULE = {rule}"))
    base = 'base = {optimizer = "own.py:RULE", steps = 2}'
    Path("own.toml").write_text(f'task = "line"\n{base}\naxes.{axis} = [0.1]\n')
    refused(cli("run", "own.toml", "--out", "run"), part)
    assert not Path("run").exists()


@pytest.mark.parametrize(
    "name, content, part",
    [
        ("study.toml", b"torn = ", "study.toml was damaged after it was written"),
        ("study.toml", b"\xff\xfe", "study.toml was damaged after it was written"),
        ("plan.json", b'{"rounds": [', "plan.json is not whole JSON"),
        ("plan.json", b"[3]", "plan.json is not a plan"),
        ("plan.json", b'{"rounds": [{"cohorts": [{"blocks": [{"name": "../../up"}]}]}]}', "plan.json is not a plan"),
        ("trials/r1-c000-b000.parquet", b"PAR1 torn", "r1-c000-b000.parquet cannot be read"),
        ("trials/r1-c000-b000.parquet", b"", "r1-c000-b000.parquet cannot be read"),
        ("curves/r1-c000-b000.parquet", b"PAR1 torn", "r1-c000-b000.parquet cannot be read"),
    ],
)
def test_a_damaged_run_folder_says_what_to_remove_and_that_brings_it_back(cli, name, content, part):
    assert cli("run", "try.toml", "--out", "run", "--no-report")[0] == 0
    before = fallline.open_run("run")
    trials, curves = before.trials.sort("trial"), before.curves
    Path("run", name).write_bytes(content)
    error = refused(cli("run", "try.toml", "--out", "run") if name == "plan.json" else cli("show", "run"), part)
    removed = name.replace("curves", "trials")
    assert "emove" in error and Path(removed).name in error
    Path("run", removed).unlink()
    assert cli("run", "try.toml", "--out", "run", "--no-report", "--resume")[0] == 0
    after = fallline.open_run("run")
    assert_frame_equal(after.trials.sort("trial"), trials, check_exact=True)
    assert_frame_equal(after.curves, curves, check_exact=True)


def test_a_lost_plan_never_costs_a_finished_trial(cli):
    assert cli("run", "try.toml", "--out", "run", "--no-report")[0] == 0
    old = pl.read_parquet("run/trials/*.parquet")
    Path("run/plan.json").unlink()
    assert cli("run", "try.toml", "--out", "run", "--no-report", "--set", "axes.learning_rate=[0.1, 0.01, 0.5]")[0] == 0
    new = fallline.open_run("run").trials
    assert len(new) == 6 and set(old["trial"]) < set(new["trial"])


def test_a_folder_of_another_study_is_left_alone(cli):
    assert cli("run", "try.toml", "--out", "run", "--no-report")[0] == 0
    before = {path: path.read_bytes() for path in Path("run").rglob("*.*")}
    refused(cli("run", "line/optimizers", "--out", "run"), "run holds a run of study try, not of line/optimizers")
    assert {path: path.read_bytes() for path in Path("run").rglob("*.*")} == before


@pytest.mark.parametrize(
    "lock, free",
    [
        ({"host": socket.gethostname(), "pid": os.getppid()}, False),
        ({"host": "elsewhere", "pid": 1}, False),
        ({"host": socket.gethostname(), "pid": 2**22 + 1}, True),  # above the kernel's largest: nobody's
        ({"host": socket.gethostname(), "pid": 10**30}, True),
        ({"host": 3}, True),
        (None, True),
    ],
)
def test_a_lock_holds_while_its_process_lives(cli, lock, free):
    Path("run").mkdir()
    Path("run/lock.json").write_text("" if lock is None else json.dumps(lock))
    told = cli("run", "try.toml", "--out", "run", "--no-report")
    if free:
        assert told[0] == 0 and not Path("run/lock.json").exists()
    else:
        ours = lock["host"] == socket.gethostname()
        refused(
            told,
            f"run is in use by process {lock['pid']} on {lock['host']}; wait for it to end, or",
            f"end it (kill {lock['pid']})" if ours else "remove run/lock.json and continue with --resume",
        )
        assert os.listdir("run") == ["lock.json"]


@pytest.mark.parametrize("seconds", ["soon", "-1", "nan"])
def test_a_wrong_setting_in_the_environment_is_named(cli, monkeypatch, seconds):
    monkeypatch.setenv("FALLLINE_CHECKPOINT_SECONDS", seconds)
    refused(
        cli("run", "try.toml", "--out", "run"),
        f"FALLLINE_CHECKPOINT_SECONDS must be a number of seconds >= 0, got '{seconds}'",
    )
