"""Meshes of devices: a study gives the same records on one device, on rows of them, and shared among processes."""

import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import polars as pl
import pytest

from fallline.engine.mesh import Mesh
from fallline.errors import StudyError

SUPPORT = Path(__file__).parents[1] / "support"
RATES = """
task = "mesh_task.py:TASK"
seeds = 2
evaluate_every = 7
[base]
batch_size = 24
steps = 30
[axes]
optimizer = ["adam", "momentum"]
learning_rate = [0.1, 0.01]
"""
FORMULAS = """
task = "mesh_task.py:TASK"
metric = "validation_accuracy"
[base]
batch_size = "6 + 4*epoch"
last_batch = "kept"
epochs = 3
optimizer = "adam"
learning_rate = 0.01
[axes]
loss = ["softmax_cross_entropy", "quadratic_weighted_kappa"]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An empty folder with the task and two studies."""
    folder = tmp_path_factory.mktemp("mesh")
    (folder / "mesh_task.py").write_text((SUPPORT / "mesh_task.py").read_text())
    (folder / "rates.toml").write_text(RATES)
    (folder / "formulas.toml").write_text(FORMULAS)
    return folder


def start(folder, *commands, devices=1, **environment):
    """A process of its own that runs ``commands`` of the command line one after another, on so many CPU devices."""
    code = textwrap.dedent(f"""
        import sys
        from fallline.cli import main
        for command in {[list(map(str, command)) for command in commands]!r}:
            sys.argv = ["fallline", *command]
            try:
                main()
            except SystemExit as ended:
                if ended.code:
                    raise
        """)
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"FALLLINE_CPU_DEVICES": str(devices)} | environment,
    )


def finish(process, code=0, seconds=600):
    _, err = process.communicate(timeout=seconds)
    assert process.returncode == code, err
    return err


def on_mesh(study, devices, *options):
    return ["run", f"{study}.toml", "--out", f"{study}-{devices}", "--devices", devices, "--no-report", *options]


def records(folder, name):
    """Trials and curves of a run, in an order of their own."""

    def frame(part):
        files = sorted((folder / name / part).glob("*.parquet"))
        return pl.concat(map(pl.read_parquet, files), how="diagonal_relaxed")

    return frame("trials").sort("trial"), frame("curves").sort("trial", "step")


def largest_gap(one, other):
    """The largest difference of any result, after the same trials and steps; absent values at the same places."""
    gaps = []
    for first, second in zip(one, other, strict=True):
        names = [name for name, kind in first.schema.items() if kind.is_float()]
        assert first.drop(names, "block", "cohort", strict=False).equals(
            second.drop(names, "block", "cohort", strict=False)
        )
        for name in names:
            assert first[name].is_null().equals(second[name].is_null())
            gaps.append((first[name] - second[name]).abs().max() or 0.0)
    return max(gaps)


@pytest.fixture(scope="module")
def on_four_devices(folder):
    """Both studies on several meshes of four devices, all in one process."""
    finish(
        start(
            folder,
            *[on_mesh("rates", mesh) for mesh in ("trial=1", "trial=2", "trial=2,data=2")],
            *[on_mesh("formulas", mesh) for mesh in ("trial=1", "data=4")],
            devices=4,
        )
    )
    return folder


@pytest.mark.parametrize(("study", "mesh"), [("rates", "trial=2"), ("rates", "trial=2,data=2"), ("formulas", "data=4")])
def test_a_study_gives_the_same_records_on_every_mesh(on_four_devices, study, mesh):
    """Noise, order and whole-batch losses too. ``formulas`` has batches of 6, 10 and 14, not divided by 4 devices."""
    one = records(on_four_devices, f"{study}-trial=1")
    assert largest_gap(one, records(on_four_devices, f"{study}-{mesh}")) < 2e-5


def test_rows_of_one_device_give_the_same_bits(on_four_devices):
    """A row runs the program of its block alone, and nothing is added up between rows."""
    blocks = sorted(path.name for path in (on_four_devices / "rates-trial=2/trials").iterdir())
    assert len(blocks) == 2, "a block a row"
    assert largest_gap(records(on_four_devices, "rates-trial=1"), records(on_four_devices, "rates-trial=2")) < 1e-6


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def together(folder, command, count, devices=1, **environment):
    """So many processes that train together."""
    joined = {"FALLLINE_COORDINATOR": f"127.0.0.1:{free_port()}", "FALLLINE_PROCESSES": str(count), **environment}
    return [start(folder, command, devices=devices, FALLLINE_PROCESS=str(number), **joined) for number in range(count)]


@pytest.mark.parametrize(("count", "devices", "mesh"), [(2, 1, "data=2"), (4, 1, "trial=2,data=2")])
def test_processes_share_batches_and_give_the_records_of_one(on_four_devices, count, devices, mesh):
    name = f"processes-{count}"
    command = [*on_mesh("rates", mesh), "--out", name]
    for process in together(on_four_devices, command, count, devices):
        finish(process)
    assert largest_gap(records(on_four_devices, "rates-trial=1"), records(on_four_devices, name)) < 2e-5
    assert not list((on_four_devices / name).glob("checkpoints/*")), "every process is done with it"
    if count == 2:
        for process in together(on_four_devices, command, count, devices):
            finish(process)  # nothing is left to train: no process waits for another


def test_a_killed_process_is_told_by_the_other_and_resume_goes_on(on_four_devices):
    """The other one ends by itself within 30 s; in the end the records are those of an undisturbed run, bit for bit."""
    name = "killed"
    command = [*on_mesh("rates", "data=2"), "--set", "base.steps=2000", "--set", "evaluate_every=20", "--out"]
    first, second = together(on_four_devices, [*command, name], 2, FALLLINE_CHECKPOINT_SECONDS="0")
    while not list((on_four_devices / name).glob("checkpoints/*.npz")):
        assert first.poll() is None, first.communicate()[1]
    second.kill()
    second.communicate()
    told = finish(first, code=2, seconds=30)
    assert "process 0 of 2 lost another one" in told and "--resume" in told
    finish(start(on_four_devices, [*command, "undisturbed"], [*command, name, "--resume"], devices=2))
    assert largest_gap(records(on_four_devices, "undisturbed"), records(on_four_devices, name)) == 0.0


@pytest.mark.parametrize(
    ("devices", "told"),
    [
        (
            "trial=3",
            "this needs 3 devices, and there is 1 (cpu); a CPU is one device unless you split it: "
            "FALLLINE_CPU_DEVICES=3",
        ),
        ("rows=2", "a mesh has the axes trial (seeds and lanes) and data (the batch), not 'rows'"),
        ("trial=0", "each axis of a mesh is given once, with 1 device or more"),
        ("data=2,data=2", "each axis of a mesh is given once"),
        ("4", 'devices are given as "trial=2", "data=4" or "trial=2,data=2", got \'4\''),
    ],
)
def test_devices_that_are_not_there_or_make_no_mesh_are_one_sentence(cli, devices, told):
    code, out, err = cli("run", "try.toml", "--devices", devices, "--out", "out")
    assert code == 2 and told in err and out == "" and len(err.splitlines()) <= 3
    assert not Path("out").exists(), "nothing was begun"


def test_a_batch_that_does_not_divide_is_an_error_with_the_batches_that_do(folder):
    process = start(folder, [*on_mesh("rates", "data=2"), "--set", "base.batch_size=25", "--out", "odd"], devices=2)
    told = finish(process, code=2)
    assert "a batch of 25 cannot be shared evenly by 2 devices; use batches of 24 or 26" in told


@pytest.mark.parametrize(
    ("text", "mesh"), [("trial=2", Mesh(2, 1)), (" data=4 ", Mesh(1, 4)), ("data=2, trial=3", Mesh(3, 2))]
)
def test_a_mesh_is_read_as_it_is_written(text, mesh):
    assert Mesh.parse(text) == mesh and Mesh.parse(str(mesh)) == mesh


@pytest.mark.parametrize("text", ["", "trial", "trial=-1", "trial=two", "trial=2;data=2", "trial=99999999"])
def test_other_texts_are_no_mesh(text):
    with pytest.raises(StudyError):
        Mesh.parse(text)


def test_jobs_of_several_processes_give_the_records_of_one(on_four_devices):
    """``--processes`` launches them, one group a cohort."""
    command = ["run", "rates.toml", "--out", "jobs", "--devices", "data=2", "--processes", "2", "--no-report"]
    finish(start(on_four_devices, command))
    assert largest_gap(records(on_four_devices, "rates-trial=1"), records(on_four_devices, "jobs")) < 2e-5


def test_processes_without_a_mesh_of_theirs_are_one_sentence(cli):
    code, _, err = cli("run", "try.toml", "--processes", "2", "--out", "out")
    assert code == 2 and "--devices data=2, for example" in err
