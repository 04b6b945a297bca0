"""What files, JAX's start and a user's file may raise is an error of ours: one screen, exit code 2, no traceback."""

import contextlib
import io
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fallline
from command_line import (
    STUDY,
    cli,  # noqa: F401
)
from fallline.cli import main
from fallline.errors import FalllineError, StoreError
from faulty import copied
from faulty import study as small_study

READING = [
    ["show"],
    ["show", "--all"],
    ["report"],
    ["compare"],
    ["verify"],
    ["export", "--to", "csv"],
    ["status"],
    ["figures", "--format", "svg"],
    ["profile"],
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("border") / "whole"
    fallline.run(small_study(), folder).report()
    return folder


def without_sums(folder):
    """As an older version wrote it: nothing tells damage from what was written."""
    for path in folder.glob("timings/*.json"):
        timing = json.loads(path.read_text())
        path.write_text(json.dumps({key: value for key, value in timing.items() if key not in ("sha256", "sum")}))
    (folder / "sums.json").unlink()


def told(*arguments):
    """Exit code, stdout and stderr of a command; what is no error of ours comes through."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr(sys, "argv", ["fallline", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
    return code, out.getvalue(), err.getvalue()


def damage(draw, path, others):
    content = bytearray(path.read_bytes())
    kind = draw.choice(["flip", "flip", "zero", "cut", "swap", "other"])
    if kind == "flip" and content:
        for _ in range(draw.choice([1, 20])):
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    elif kind == "zero" and content:
        place = draw.randrange(len(content))
        content[place : place + 64] = bytes(len(content[place : place + 64]))
    elif kind == "cut" and content:
        del content[draw.randrange(len(content)) :]
    elif kind == "swap":
        content = draw.choice(others).read_bytes()
    else:
        content = draw.choice([b"", b"{}", b"[]", b"null", b'{"a": 1}', b"\xff"])
    path.write_bytes(content)


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_no_damage_to_any_file_makes_a_reading_command_fail_but_in_words(whole, tmp_path, seed, old):
    draw = random.Random(seed)
    files = sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file())
    for name in draw.sample(files, 3):
        folder = copied(whole, tmp_path / "run")
        if old:
            without_sums(folder)
        if (folder / name).exists():
            others = [folder / other for other in files if other != name and (folder / other).exists()]
            damage(draw, folder / name, others)
        for command, *more in draw.sample(READING, 2):
            code, _, error = told(command, folder, *more)
            assert code in (0, 2) and len(error) < 2000, (name, command, error)
            assert code == 0 or error.startswith("fallline: ") or command == "verify", (name, command, error)
        shutil.rmtree(folder)


@pytest.mark.parametrize("kind", ["predictions", "curves", "weights", "trials"])
def test_pages_damaged_inside_a_whole_file_are_never_read(whole, tmp_path, kind):
    folder = copied(whole, tmp_path / "run")
    path = next(folder.glob(f"{kind}/*.parquet"))
    content = bytearray(path.read_bytes())
    content[40:48] = bytes(byte ^ 0xFF for byte in content[40:48])
    path.write_bytes(content)
    code, _, error = told("report", folder)
    if kind == "weights":
        assert code == 0  # no figure of this run draws them
        with pytest.raises(StoreError, match="its SHA-256 is another"):
            fallline.open_run(folder).weights("")
    else:
        assert code == 2 and f"{path} cannot be read" in error and f"fallline verify {folder} --repair" in error


def test_files_that_were_swapped_are_never_read(whole, tmp_path):
    folder = copied(whole, tmp_path / "run")
    one, other = next(folder.glob("predictions/*")), next(folder.glob("curves/*"))
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    for command in ("compare", "report"):
        code, _, error = told(command, folder)
        assert code == 2 and "cannot be read" in error and "--repair" in error


ENVIRONMENT = [
    ("JAX_PLATFORMS", "nonsense", "JAX has no device of the kind that JAX_PLATFORMS=nonsense asks for"),
    ("JAX_DEFAULT_MATMUL_PRECISION", "nonsense", "unset JAX_DEFAULT_MATMUL_PRECISION"),
    ("JAX_ENABLE_X64", "maybe", "unset JAX_ENABLE_X64"),
    ("JAX_DISABLE_JIT", "1", None),
    ("JAX_DEBUG_NANS", "1", None),
    ("JAX_TRANSFER_GUARD", "disallow", None),
]


@pytest.mark.parametrize("name, value, part", ENVIRONMENT)
def test_an_environment_that_jax_does_not_take_is_told_or_has_no_effect(tmp_path, name, value, part):
    (tmp_path / "try.toml").write_text(STUDY.replace("0.01]", "1e9]"))
    found = subprocess.run(
        [sys.executable, "-m", "fallline", "run", "try.toml", "--out", "run", "--no-report"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=os.environ | {name: value},
    )
    if part is None:
        assert found.returncode == 0, found.stderr
    else:
        assert found.returncode == 2 and part in found.stderr and "Traceback" not in found.stderr
        assert len(found.stderr.splitlines()) == 1 and not (tmp_path / "run").exists()


OWN = """
import numpy as np, fallline, optax
import jax.numpy as jnp
class Odd(BaseException): pass
def fails(*given, **named): raise {failure}
X, Y = np.zeros((8, 2), np.float32), np.zeros(8, np.int32)
M = fallline.from_functions(lambda key: {{"W": jnp.zeros((2, 2))}}, lambda w, x: x @ w["W"].T, name="linear")
def task(name, model=M, **more):
    data = dict(train=(X, Y), validation=(X, Y), loss="softmax_cross_entropy")
    return fallline.from_arrays(name, model=model, **data, **more)
{line}
"""
LINES = {
    "loading": "fails()",
    "init": "T = task('a', fallline.from_functions(fails, lambda w, x: x, name='m'))",
    "outputs": "T = task('b', fallline.from_functions(lambda key: {'W': jnp.zeros(2)}, fails, name='m'))",
    "metric": "T = task('c', metrics=[fallline.Metric('m', fails, goal='min')])",
    "prepare": "T = task('d', prepare=fails)",
    "loss": "T = task('e'); PART = fallline.Loss('l', fails)",
    "optimizer": "T = task('f'); PART = fallline.Optimizer.plug('o', lambda learning_rate: fails(), learning_rate=0.1)",
    "schedule": "T = task('g'); PART = fallline.Schedule('s', fails)",
}


@pytest.mark.parametrize("failure", ["GeneratorExit('g')", "SystemExit(0)", "Odd('o')", "StopIteration"])
@pytest.mark.parametrize("place", LINES)
def test_whatever_a_users_function_raises_is_told_with_its_place(cli, place, failure):  # noqa: F811
    Path("own.py").write_text(OWN.format(line=LINES[place], failure=failure))
    part = f'{place} = "own.py:PART"\n' if place in ("loss", "schedule", "optimizer") else ""
    base = part + ("" if place == "optimizer" else 'optimizer = "adam"\n')
    Path("own.toml").write_text(f'task = "own.py:T"\n[base]\n{base}steps = 2\nbatch_size = 2\n')
    code, _, error = cli("run", "own.toml", "--out", "run", "--no-report")
    assert code == 2 and error.startswith("fallline: ") and failure.partition("(")[0] in error, error


def test_ctrl_c_in_a_users_file_is_ctrl_c(cli):  # noqa: F811
    Path("own.py").write_text("raise KeyboardInterrupt")
    Path("own.toml").write_text('task = "own.py:T"\n[base]\noptimizer = "adam"\nsteps = 2\n')
    assert cli("run", "own.toml", "--out", "run")[0] == 130


def test_a_mistake_of_ours_keeps_its_traceback(cli, monkeypatch):  # noqa: F811
    def mistaken():
        raise ZeroDivisionError

    monkeypatch.setattr("fallline.cli.commands.list.print_studies", mistaken)
    with pytest.raises(ZeroDivisionError):
        cli("list")


def test_metrics_of_ones_own_are_taken_in_a_list(cli):  # noqa: F811
    Path("own.py").write_text(
        OWN.format(
            failure="Odd",
            line=("T = task('h', metrics=[fallline.Metric('size', lambda o, t: o[:, 0] ** 2, goal='min')])"),
        )
    )
    Path("own.toml").write_text(
        'task = "own.py:T"\nmetric = "validation_size"\n[base]\noptimizer = "adam"\nsteps = 2\nbatch_size = 2\n'
    )
    assert cli("run", "own.toml", "--out", "run", "--no-report")[0] == 0


def test_an_optimizer_without_a_rate_under_a_schedule_is_told(cli):  # noqa: F811
    Path("own.py").write_text(
        OWN.format(
            failure="Odd",
            line=("T = task('i'); PART = fallline.Optimizer.plug('still', lambda speed: optax.sgd(speed), speed=0.1)"),
        )
    )
    Path("own.toml").write_text(
        'task = "own.py:T"\n[base]\noptimizer = "own.py:PART"\nschedule = "cosine"\nsteps = 9\nbatch_size = 2\n'
    )
    code, _, error = cli("run", "own.toml", "--out", "run")
    assert code == 2 and "would change the learning_rate of optimizer still, which takes none" in error


ODD = [
    "nan",
    "inf",
    "2020-01-01",
    "07:00:00",
    "2020-01-01T00:00:00Z",
    '""',
    "[]",
    "{}",
    "1" + "0" * 30,
    "-1",
    "[nan]",
    '["a", 1]',
    "true",
    "{a = 2020-01-01}",
]


@pytest.mark.parametrize(
    "place",
    [
        "presets.quick.base.steps",
        "presets.quick.axes.learning_rate",
        "presets.quick",
        "presets.quick.seeds",
        "claims.0.where.learning_rate",
        "claims.0.better.optimizer",
        "claims.0.margin",
        "claims.0.text",
        "reported.0.where.optimizer",
        "reported.0.value",
        "source",
        "target.value",
        "axes.learning_rate",
        "base.steps",
        "figures.0.where",
    ],
)
def test_an_odd_value_in_any_field_of_a_study_is_told_with_its_place(cli, place):  # noqa: F811
    import tomllib

    base = tomllib.loads(
        STUDY + '[[claims]]\ntext = "a"\nbetter = {optimizer = "adam"}\n'
        'worse = {optimizer = "momentum"}\n'
        '[[reported]]\nwhere = {optimizer = "adam"}\nvalue = 1.0\nmetric = "final_train_loss"\n'
        '[[figures]]\nkind = "curves"\n[presets.quick]\nseeds = 2\n'
    )
    for text in ODD:
        values = json.loads(json.dumps(base))
        *way, last = place.split(".")
        at = values
        for step in way:
            at = at[int(step)] if isinstance(at, list) else at.setdefault(step, {})
        at[last] = tomllib.loads(f"x = {text}")["x"]
        try:
            study = fallline.Study(name="try", **values)
            for one in (study, study.preset("quick")):
                assert one.trials() and one.hash
            assert "nan" not in text and "inf" not in text and "2020" not in text and "07:" not in text, text
        except FalllineError as failure:
            assert len(str(failure).splitlines()) < 20 and (
                place.split(".")[0] in str(failure) or last in str(failure)
            ), (text, str(failure))


def test_whatever_fails_while_the_answer_is_printed_the_page_is_written(whole, tmp_path):
    """``fallline run ... | head -0``: rich would end the process where a pipe is closed."""
    folder = copied(whole, tmp_path / "run")
    shutil.rmtree(folder / "report")
    code = (
        "import os, sys; read, write = os.pipe(); os.close(read); os.dup2(write, 1)\n"
        "from rich.console import Console; from fallline.cli.terminal import shown_streams, new_screen\n"
        "from fallline.cli.screens import print_outcome; import fallline\n"
        "with shown_streams():\n"
        f"    try: print_outcome(fallline.open_run({str(folder)!r}), True, new_screen(stderr=True))\n"
        "    except BrokenPipeError: os._exit(7)\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == 7, found.stderr
    assert (folder / "report/report.html").exists()


@pytest.mark.parametrize("command", [*READING, ["verify", "--repair"]])
def test_streams_that_are_closed_fail_no_command(whole, tmp_path, command):
    folder = copied(whole, tmp_path / "run")
    arguments = ["fallline", command[0], str(folder), *command[1:]]
    code = (
        f"import sys\nsys.stdout = sys.stderr = None\nsys.argv = {arguments!r}\nfrom fallline.cli import main\nmain()"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == (2 if command == ["status"] else 0)
