"""Signals that end a command, at awkward moments too: a checkpoint, no lock, one last message, and the right status."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest

import fallline
from fallline.cli.ending import Ending
from fallline.engine.side_by_side import run_side_by_side
from fallline.errors import StoreError
from fallline.store import checkpoint
from fallline.store.checkpoint import Checkpoints, Damaged
from fallline.store.paths import RunPaths
from faulty import records, small_blocks, study

STUDY = """
name = "try"
task = "line"
metric = "final_train_loss"
[base]
optimizer = "gradient_descent"
learning_rate = 0.001
batch_size = "all"
steps = 400_000
"""


@pytest.fixture(autouse=True)
def heard():
    """SIGHUP as in a terminal, here and in what is started here, also where the tests themselves run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


SCRIPT = """
import atexit, sys, time
from pathlib import Path
from fallline.training import checkpointing

def wait(name):
    Path(name + ".reached").touch()
    while {waits} == name and not Path("go").exists():
        time.sleep(0.005)

keep, save = checkpointing.keep, checkpointing.save
checkpointing.keep = lambda *given: (wait("train"), keep(*given))
checkpointing.save = lambda *given: (wait("save"), save(*given))
from fallline.cli import main
atexit.register(wait, "exit")
sys.argv = ["fallline", "run", "try.toml", "--out", "run", "--no-report", *sys.argv[1:]]
main()
"""


class Command:
    """A run in a process of its own, which stands still at the place that ``waits`` names: "save" or "exit"."""

    def __init__(self, folder: Path, waits: str = "", **more: object):
        (folder / "try.toml").write_text(STUDY, encoding="utf-8")
        env, script = os.environ | {"FALLLINE_CHECKPOINT_SECONDS": "3600"}, SCRIPT.format(waits=repr(waits))
        streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, **more}
        self.folder = folder
        self.process = subprocess.Popen([sys.executable, "-c", script], cwd=folder, env=env, text=True, **streams)

    def reached(self, name: str) -> None:
        until = time.monotonic() + 120
        while not (self.folder / f"{name}.reached").exists():
            assert self.process.poll() is None and time.monotonic() < until
            time.sleep(0.005)

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self) -> tuple[int, str]:
        printed = self.process.communicate(timeout=120)[1]
        return self.process.returncode, printed or ""


@pytest.fixture
def command(tmp_path):
    """Starts a ``Command`` in the test's folder; none outlives the test."""
    started: list[Command] = []

    def start(waits: str = "", **streams: object) -> Command:
        started.append(Command(tmp_path, waits, **streams))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.process.communicate()


STOPPED = "fallline: stopped; what was done is kept in run. Continue with the same command and --resume.\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_a_run_in_order(tmp_path, command, number):
    process = command()
    process.reached("train")
    process.send(number)
    code, told = process.end()
    assert code == 128 + number and told.endswith(STOPPED) and "Traceback" not in told, told
    assert not (tmp_path / "run/lock.json").exists()
    (held,) = (tmp_path / "run/checkpoints").glob("*.npz")
    with checkpoint.opened(held) as (header, _):
        assert header["notes"]["steps"], "no minute is lost: the checkpoint was not due for an hour"


def test_a_second_signal_ends_at_once_and_says_so(tmp_path, command):
    process = command("save")
    process.reached("train")
    process.send(signal.SIGTERM)
    process.reached("save")
    process.send(signal.SIGINT)
    code, told = process.end()
    assert code == 128 + signal.SIGTERM and "Traceback" not in told
    assert (
        told.endswith(
            "fallline: ended at once; what was done up to the last checkpoint is kept in run. Continue with "
            "the same command and --resume.\n"
        )
        and STOPPED not in told
    )
    assert not (tmp_path / "run/lock.json").exists()


def test_nothing_is_printed_after_the_last_message(tmp_path, command):
    process = command("exit")
    process.reached("train")
    process.send(signal.SIGINT)
    process.reached("exit")
    for _ in range(3):
        process.send(signal.SIGINT)
        time.sleep(0.02)
    (tmp_path / "go").touch()
    code, told = process.end()
    assert code == 130 and told.endswith(STOPPED) and "Traceback" not in told, told


def test_a_terminal_that_hung_up_changes_nothing(tmp_path, command):
    read, write = os.pipe()
    process = command(stderr=write)
    os.close(write)
    process.reached("train")
    os.close(read)
    process.send(signal.SIGHUP)
    assert process.end()[0] == 128 + signal.SIGHUP
    assert list((tmp_path / "run/checkpoints").glob("*.npz")) and not (tmp_path / "run/lock.json").exists()


def test_before_anything_is_planned_nothing_is_left(tmp_path):
    script = (
        "import os, signal; from fallline.training import planning\n"
        "planning.fit_to_memory = lambda *given: os.kill(os.getpid(), signal.SIGTERM)\n" + SCRIPT.format(waits="''")
    )
    (tmp_path / "try.toml").write_text(STUDY, encoding="utf-8")
    told = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert told.returncode == 143 and "stopped before anything was trained; nothing is left of it" in told.stderr
    assert not (tmp_path / "run").exists()


@pytest.fixture
def handlers():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("raised", [None, OSError("the terminal is gone"), SystemExit(1)])
def test_whatever_a_signal_causes_the_status_is_that_of_the_signal(raised):
    with pytest.raises(SystemExit) as ended, Ending():
        try:
            os.kill(os.getpid(), signal.SIGHUP)
            time.sleep(1)
        except KeyboardInterrupt:
            if raised is not None:
                raise raised from None
            raise
    assert ended.value.code == 129 and signal.getsignal(signal.SIGTERM) == signal.SIG_IGN


@pytest.mark.usefixtures("handlers")
def test_what_was_ignored_stays_ignored_and_what_was_not_heard_comes_back():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under nohup
    before = signal.getsignal(signal.SIGTERM)
    with Ending():
        os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def test_jobs_end_wherever_an_interrupt_comes(monkeypatch):
    """Also between two of them that are handed to the pool."""
    asked = []
    submit = ThreadPoolExecutor.submit

    def interrupted(pool, *given):
        if asked_for := submit(pool, *given):
            if len(handed := interrupted.__dict__.setdefault("handed", [])) == 1:
                raise KeyboardInterrupt
            handed.append(asked_for)
        return asked_for

    monkeypatch.setattr(ThreadPoolExecutor, "submit", interrupted)

    def job():
        until = time.monotonic() + 60
        while not asked and time.monotonic() < until:
            yield

    with pytest.raises(KeyboardInterrupt):
        run_side_by_side([job, job], 2, lambda: asked.append(True))
    assert asked


def test_no_job_runs_on_where_an_interrupt_comes_while_its_thread_starts(monkeypatch):
    """The pool does not know such a thread and does not wait for it."""
    asked, ended = threading.Event(), []
    start = threading.Thread.start

    def interrupted(thread):
        start(thread)
        if not asked.is_set():
            until = time.monotonic() + 60
            while not running and time.monotonic() < until:
                time.sleep(0.001)
            raise KeyboardInterrupt

    running = []

    def job():
        running.append(True)
        asked.wait(60)
        time.sleep(0.05)  # its checkpoint
        ended.append(True)
        yield

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_side_by_side([job, job], 2, asked.set)
    assert ended and len(ended) == len(running)


# Checkpoints

KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from fallline.store.checkpoint import Checkpoints
from fallline.store.paths import RunPaths

root = Path(sys.argv[1])
leaves = [np.arange(20_000.0), np.ones((3, 5))]

def saved():
    return Checkpoints(RunPaths(root), "r1-c000-b000", ["a"])

def dying(moment, after):
    "Ends this process by SIGTERM at the moment-th file operation or piece that is written."
    count = 0

    def counted(real):
        def call(*given, **named):
            nonlocal count
            count += 1
            if count == moment:
                result = real(*given, **named) if after else None
                os.kill(os.getpid(), signal.SIGTERM)
            return real(*given, **named)
        return call

    class File:
        def __init__(self, file):
            self.file = file
        def __getattr__(self, name):
            found = getattr(self.file, name)
            return counted(found) if name in ("write", "flush", "seek") else found
        def __enter__(self):
            return self
        def __exit__(self, *_):
            self.file.close()

    for name in ("open", "fsync", "replace", "chmod", "unlink"):
        setattr(os, name, counted(getattr(os, name)))
    opened = os.fdopen
    os.fdopen = lambda *given: File(opened(*given))

saved().save(leaves, {"tail:loss": np.zeros(3)}, {"at": 0})
seen, moment = set(), 0
while True:
    moment += 1
    ended = []
    for after in (False, True):
        child = os.fork()
        if child == 0:
            dying(moment, after)
            saved().save([leaf + moment for leaf in leaves], {"tail:loss": np.zeros(3)}, {"at": moment})
            os._exit(0)
        ended.append(os.waitpid(child, 0)[1])
        got = saved().load()
        at = got.notes["at"]
        assert all(np.array_equal(one, leaf + at) for one, leaf in zip(got.leaves, leaves)), moment
        seen.add(at)
    if ended == [0, 0]:
        break
print(moment, len(seen))
"""


def test_a_checkpoint_is_whole_wherever_its_writing_was_killed(tmp_path):
    told = subprocess.run([sys.executable, "-c", KILLED, tmp_path], capture_output=True, text=True)
    moments, states = map(int, told.stdout.split()) if told.stdout else (0, 0)
    assert told.returncode == 0 and moments > 20 and states >= 3, told.stderr


@pytest.fixture
def saved(tmp_path):
    found = Checkpoints(RunPaths(tmp_path), "r1-c000-b000", ["a"])
    found.save([np.arange(5.0)], {}, {"at": 1})
    return found


@pytest.mark.parametrize(
    ("failure", "why"),
    [
        (MemoryError(), "needs more memory than there is"),
        (OSError(errno.EMFILE, "Too many open files"), "Too many open"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
    ],
)
def test_a_checkpoint_that_cannot_be_read_just_now_is_kept_and_not_called_damaged(saved, monkeypatch, failure, why):
    def fails(*_, **__):
        raise failure

    monkeypatch.setattr(checkpoint.np, "load", fails)
    with pytest.raises(StoreError, match=f"{why}.*it is kept"):
        saved.load()
    monkeypatch.undo()
    assert saved.load().notes == {"at": 1}


def test_a_checkpoint_is_damaged_only_if_it_is_so_twice(saved, monkeypatch):
    real, fails = np.load, [SystemError("AST constructor recursion depth mismatch")]

    def once(*given, **named):
        if fails:
            raise fails.pop()
        return real(*given, **named)

    monkeypatch.setattr(checkpoint.np, "load", once)
    assert saved.load().notes == {"at": 1}
    monkeypatch.undo()
    content = bytearray(saved.path.read_bytes())
    content[len(content) // 3] ^= 255
    saved.path.write_bytes(content)
    with pytest.raises(Damaged, match=r"is damaged \("):
        saved.load()


def test_a_torn_header_that_asks_for_any_memory_is_damage(saved, monkeypatch):
    content = bytearray(saved.path.read_bytes())
    content[-40] ^= 255
    content[60] ^= 255
    saved.path.write_bytes(content)

    def huge(*_, **__):
        raise MemoryError

    monkeypatch.setattr(checkpoint.np, "load", huge)
    with pytest.raises(Damaged):
        saved.load()


# Folders that go


class Moving:
    """Calls ``act`` at the ``moment``-th file operation in ``folder``."""

    NAMES = ("open", "fsync", "replace", "link", "unlink", "mkdir", "rmdir")

    def __init__(self, patch, folder, moment, act):
        self.folder, self.moment, self.act, self.count = str(folder), moment, act, 0
        for name in self.NAMES:
            patch.setattr(os, name, self._counted(getattr(os, name)))

    def _counted(self, real):
        def call(*given, **named):
            if isinstance(given[0], int) or str(given[0]).startswith(self.folder):
                self.count += 1
                if self.count == self.moment:
                    self.act()
            return real(*given, **named)

        return call


@pytest.fixture
def whole(tmp_path, monkeypatch):
    small_blocks(monkeypatch)
    with monkeypatch.context() as patch:
        counted = Moving(patch, tmp_path / "whole", 0, None)
        fallline.run(study(), tmp_path / "whole")
    return tmp_path / "whole", counted.count


def test_a_folder_that_is_renamed_while_a_run_writes_is_not_made_again(whole, tmp_path, monkeypatch):
    undisturbed, operations = whole
    for moment in range(12, operations, max(1, operations // 8)):
        run, moved = tmp_path / f"run{moment}", tmp_path / f"moved{moment}"
        with monkeypatch.context() as patch:
            Moving(patch, run, moment, lambda run=run, moved=moved: run.rename(moved))
            try:
                fallline.run(study(), run)
                told = ""
            except StoreError as failure:
                told = str(failure)
        assert not run.exists() and moved.is_dir(), moment
        if moment < operations - 12:
            assert "was moved, renamed or removed" in told and f"it is {moved} now" in told, (moment, told)
        fallline.run(study(), moved, resume=True)
        assert records(moved) == records(undisturbed), moment


def removed(run: Path) -> None:
    shutil.rmtree(run.rename(run.with_name("trash")), ignore_errors=True)  # at once, though others write there


def test_a_folder_that_is_removed_while_a_run_writes_stays_removed(whole, tmp_path, monkeypatch):
    for name, after in (("gone", lambda run: None), ("replaced", lambda run: run.mkdir())):
        run = tmp_path / name
        with monkeypatch.context() as patch:
            Moving(patch, run, whole[1] // 2, lambda run=run, after=after: (removed(run), after(run)))
            with pytest.raises(StoreError, match="was moved, renamed or removed"):
                fallline.run(study(), run)
        assert not run.exists() or not any(run.iterdir()), name
        shutil.rmtree(run.with_name("trash"), ignore_errors=True)


def test_a_report_does_not_make_a_folder_that_was_renamed(tmp_path, whole):
    result = fallline.open_run(whole[0])
    _ = result.records.trials, result.records.curves
    whole[0].rename(tmp_path / "elsewhere")
    with pytest.raises(StoreError):
        result.report()
    assert not whole[0].exists()


def test_jobs_of_a_folder_that_was_renamed_end_and_do_not_make_it_again(tmp_path, monkeypatch):
    monkeypatch.setenv("FALLLINE_CHECKPOINT_SECONDS", "0")
    run = tmp_path / "run"
    long = fallline.Study(
        name="long",
        task="line",
        metric="final_train_loss",
        base={"optimizer": "gradient_descent", "learning_rate": 0.001, "batch_size": "all", "steps": 5_000_000},
        record_every=100,
    )
    jobs = fallline.launch(long, run, executor="local")
    supervisor = json.loads((run / "launches/001/launch.json").read_text())["ids"]["pid"]
    until = time.monotonic() + 120
    while not list(run.glob("checkpoints/*.npz")):
        assert time.monotonic() < until, (run / "launches/001/logs/0.log").read_text()
        time.sleep(0.01)
    run.rename(tmp_path / "moved")
    with pytest.raises(StoreError):
        jobs.collect()
    while psutil.pid_exists(supervisor) and psutil.Process(supervisor).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert not run.exists()
    assert "was moved, renamed or removed" in (tmp_path / "moved/launches/001/logs/0.log").read_text()
