"""Names from files, data and the user's code are shown where they are printed and written, and never obeyed."""

import contextlib
import csv
import io
import json
import os
import subprocess
import sys
import xml.dom.minidom
from pathlib import Path

import polars as pl
import pytest

import fallline
from command_line import cli  # noqa: F401
from fallline.cli.terminal import new_screen, shown_streams
from fallline.errors import MOST_SIGNS, StudyError, UnknownName, a_screen_of, printable
from fallline.report.document import Document, Paragraph, Section
from fallline.report.export import write_table
from fallline.report.render import html
from fallline.report.render.escaping import printable_json, script_json

CONTROLS = ["\x1b[31m", "\x1b]0;title\x07", "\x9b2J", "\r", "\x08", "\x00", "\u202e", "\u2066", "\x7f", "\u2028"]
HOSTILE = "=1+1\x1b[31m\x9b[/]\u202e"

OWN = f"""
import numpy as np
import jax.numpy as jnp
import optax
import fallline

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int32) + (X[:, 1] > 0)
M = fallline.from_functions(lambda key: {{"W": jnp.zeros((3, 3))}}, lambda w, x: x @ w["W"].T, name="linear")
T = fallline.from_arrays({HOSTILE!r}, model=M, train=(X[:40], Y[:40]), validation=(X[40:], Y[40:]),
                  loss="softmax_cross_entropy", metrics=["accuracy"], classes=[{HOSTILE!r}, "-b\\x1b[2J", "c\\x07"])
R = fallline.Optimizer.plug({HOSTILE!r}, lambda learning_rate: optax.sgd(learning_rate), learning_rate=0.1)
"""
STUDY = """
task = "own.py:T"
metric = "validation_accuracy"
seeds = 2
[base]
batch_size = 20
steps = 10
[axes]
optimizer = ["own.py:R", "adam"]
"""
FOLDER = "r[1]*\x1b[31m\x9b"


def obeyed(text):
    """Control characters of ours: none of rich's is among them."""
    return [sign for sign in ("\x1b[31m", "\x1b[2J", "\x9b", "\x07", "\u202e") if sign in text]


@pytest.mark.parametrize("sign", CONTROLS)
def test_a_control_character_is_written_as_python_writes_it(sign):
    shown = printable(f"a{sign}b")
    assert shown == "a" + "".join(ascii(one)[1:-1] if not one.isprintable() else one for one in sign) + "b"
    assert shown.isprintable() and printable("two\n\tlines ü 漢 👩\u200d🔬") == "two\n\tlines ü 漢 👩\u200d🔬"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_streams_show_what_they_are_given_and_rich_keeps_its_styles(monkeypatch, stream):
    held = io.StringIO()
    monkeypatch.setattr(sys, stream, held)
    with shown_streams():
        print("a\x1b[31mb", file=getattr(sys, stream))
        screen = new_screen(stderr=stream == "stderr")
        screen._force_terminal, screen._color_system = True, screen._color_system
        screen.print("c\x1b[31md", style="bold", markup=False)
    assert getattr(sys, stream) is held
    assert "a\\x1b[31mb\n" in held.getvalue() and "c\\x1b[31md" in held.getvalue() and not obeyed(held.getvalue())


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A run whose every name that a user can choose is hostile, in a folder with such a name."""
    home = tmp_path_factory.mktemp("hostile")
    (home / "own.py").write_text(OWN)
    (home / "s.toml").write_text(STUDY)
    fallline.run(home / "s.toml", home / FOLDER)
    return home


@pytest.mark.parametrize(
    "command",
    [
        "show",
        "show --all",
        "report",
        "compare",
        "verify",
        "status",
        "figures --format svg",
        "export --to csv",
        "run",
        "run --set seeds=0",
    ],
)
def test_no_command_hands_a_control_character_to_the_terminal(hostile, cli, monkeypatch, command):  # noqa: F811
    monkeypatch.chdir(hostile)
    name, *more = command.split()
    code, out, err = cli(name, *(["s.toml", "--out", FOLDER] if name == "run" else [FOLDER]), *more)
    assert code == (2 if name == "status" or "seeds=0" in more else 0), err
    assert not obeyed(out + err) and ("=1+1\\x1b[31m" in out or "r[1]*\\x1b[31m\\x9b" in out + err or code)


def test_progress_in_a_terminal_obeys_none_of_them(hostile, tmp_path):
    code = (
        f"import os, sys; os.chdir({str(hostile)!r}); from fallline.cli import main\n"
        f"sys.argv = ['fallline', 'run', 's.toml', '--out', {str(tmp_path / 'run')!r}, '--set', 'steps=400',\n"
        "            '--set', 'axes.optimizer=[\"own.py:R\"]']; main()"
    )
    outer = f"import pty, sys\nsys.exit(pty.spawn([sys.executable, '-c', {code!r}]) >> 8)"
    told = subprocess.run(
        [sys.executable, "-c", outer],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "200"},
    )
    text = told.stdout.decode()
    assert told.returncode == 0, text
    assert "\x1b[1m" in text and "=1+1\\x1b[31m" in text
    assert not obeyed(text) and "\\x1b[0m" not in text


def test_what_a_report_writes_holds_no_control_character_and_no_formula(hostile):
    folder = hostile / FOLDER
    result = fallline.open_run(folder)
    page = result.report()
    figures = result.figures("confusion", "curves", formats=["svg"])
    exported = result.export("csv", hostile / "csv")
    files = [*page.parent.rglob("*.*"), *exported.iterdir()]
    assert {path.suffix for path in files} >= {".html", ".md", ".tex", ".csv", ".svg"}
    for path in files:
        text = path.read_text()
        assert not obeyed(text) and "\x1b" not in text, path
        if path.suffix == ".svg":
            xml.dom.minidom.parseString(text)
        elif path.suffix == ".csv":
            for row in csv.reader(io.StringIO(text)):
                assert not [
                    cell
                    for cell in row
                    if cell.startswith(("=", "@", "\t", "\r")) or (cell.startswith(("+", "-")) and not _is_number(cell))
                ], path
    assert figures and "=1+1\\x1b[31m" in page.read_text()


def _is_number(cell):
    with contextlib.suppress(ValueError):
        return bool(float(cell)) or True
    return False


def test_cells_of_a_csv_are_no_formulas_and_numbers_stay_numbers(tmp_path):
    frame = pl.DataFrame({"=x": [-1.5, 2.0], "text": ["=A1", "-0.5"], "@more": ["+1e-3", " =B"], "plain": ["a", None]})
    write_table(tmp_path / "t.csv", frame)
    assert (tmp_path / "t.csv").read_text().splitlines() == [
        "'=x,text,'@more,plain",
        "-1.5,'=A1,+1e-3,a",
        "2.0,-0.5,' =B,",
    ]


def test_texts_of_a_page_and_its_data_hold_no_control_character():
    section = Section("s", "h", [Paragraph("b\x1b[31m<")])
    page = html.page(Document("a\x1b[31m", "t\x9b", [section], "q\u202e", "c\x07"))
    assert not obeyed(page) and "a\\x1b[31m" in page and "b\\x1b[31m&lt;" in page and "c\\x07" in page
    for text in ["\x1b[31m", "\\u001b", "\\\x1b", "\x9b", "\u202e", "\n", "\x00", "\x7f"]:
        assert json.loads(printable_json([text])) == [printable(text)]
        held = str(script_json([text]))
        assert json.loads(held) == [text] and held.isprintable()


@pytest.mark.parametrize(
    "arguments",
    [
        ["a" * 4000],
        ["run", "a" * 4000],
        ["show", "a" * 4000],
        ["show", "b" * 200 + "/" + "c" * 3000],
        ["run", "line/optimizers", "--preset", "a" * 4000],
        ["run", "try.toml", "--set", "a" * 4000 + "=1"],
        ["run", "try.toml", "--set", f"axes.optimizer=['{'a' * 4000}']"],
        ["data", "get", "a" * 4000],
        ["parts", "a" * 4000],
        ["export", "try.toml", "--to", "a" * 4000],
        ["compare", "x", "--by", "a " * 4000],
        ["run", "try.toml", "--set", "axes.optimizer=[" + "'adm'," * 3000 + "]"],
        ["--" + "a" * 4000],
        ["network", "show", "x = " + "a" * 4000 + "*"],
        ["run", "try.toml", "--data", "a" * 4000, "--bad"],
    ],
)
def test_a_message_is_a_screen_however_long_the_name(cli, arguments):  # noqa: F811
    code, _, error = cli(*arguments)
    assert code == 2 and len(error) < 2000 and len(error.splitlines()) <= 24, len(error)
    assert max(map(len, error.split())) < 500


def test_a_long_message_keeps_its_beginning_and_its_remedy():
    text = "the law; " + "x " * 5000 + "; write y"
    assert len(a_screen_of(text)) < MOST_SIGNS + 60
    assert a_screen_of(text).startswith("the law; x") and a_screen_of(text).endswith("; write y")
    lines = a_screen_of("\n".join(["first", *map(str, range(1000)), "last"])).split("\n")
    assert len(lines) == 24 and lines[0] == "first" and lines[-1] == "last" and "979 lines" in "".join(lines)
    assert str(StudyError(text)) == a_screen_of(text) and str(StudyError("short")) == "short"
    assert str(UnknownName("loss", "a" * 4000, ["huber"])).endswith("a...'; there are: huber")


def test_an_exception_of_a_users_file_is_shown(cli):  # noqa: F811
    Path("own.py").write_text("raise ValueError('\\x1b[31mred\\x9b')")
    Path("own.toml").write_text('task = "own.py:TASK"\n[base]\noptimizer = "adam"\nsteps = 2\n')
    code, _, error = cli("run", "own.toml", "--out", "run")
    assert code == 2 and "ValueError: \\x1b[31mred\\x9b" in error


def test_a_warning_is_shown(cli, monkeypatch):  # noqa: F811
    import warnings

    monkeypatch.setattr(
        "fallline.cli.commands.list.print_studies",
        lambda: warnings.warn("a\x1b[31mb", fallline.errors.FalllineWarning, stacklevel=1),
    )
    assert "fallline: a\\x1b[31mb\n" in cli("list")[2]
