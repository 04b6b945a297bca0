"""Faults other than kills: full and read-only disks, clocks, two at once, other versions, other machines."""

import datetime
import json
import os
import shutil
import socket
import subprocess
import sys
import time

import pytest

import fallline
from fallline.errors import FalllineWarning, StoreError
from fallline.store import checkpoint
from fallline.store.writing import RunWriter
from faulty import copied, records, small_blocks, study


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults") / "whole"
    with pytest.MonkeyPatch.context() as patch:
        small_blocks(patch)
        fallline.run(study(), folder)
    return folder


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A run whose first block is done and whose second has a checkpoint; whoever ran it is gone."""
    folder = tmp_path_factory.mktemp("faults") / "stopped"
    with pytest.MonkeyPatch.context() as patch:
        small_blocks(patch)
        patch.setattr("fallline.engine.layouts.cores", lambda: 1)
        real, written = RunWriter.write_block, []

        def write(writer, block, *parts):
            if written:
                raise KeyboardInterrupt
            written.append(block)
            real(writer, block, *parts)

        patch.setattr(RunWriter, "write_block", write)
        with pytest.raises(KeyboardInterrupt):
            fallline.run(study(), folder)
    assert list(folder.glob("trials/*")) and list(folder.glob("checkpoints/*"))
    return folder


@pytest.fixture
def run(stopped, tmp_path, monkeypatch):
    small_blocks(monkeypatch)
    return copied(stopped, tmp_path / "run")


@pytest.fixture
def mounted(tmp_path):
    """Mount a file system, with the arguments of ``mount``; the place where it is."""
    places, mount = [], shutil.which("mount")

    def do(*arguments):
        place = tmp_path / f"disk{len(places)}"
        place.mkdir()
        if mount is None or subprocess.run([mount, *arguments, place], capture_output=True).returncode:
            pytest.skip("file systems cannot be mounted here (it needs Linux and root)")
        places.append(place)
        return place

    yield do
    for place in reversed(places):
        subprocess.run(["umount", place], check=True)


def goes_on(run, whole, **options):
    """What was disturbed ends with the records of what was not, and the folder is sound."""
    fallline.run(study(), run, resume=True, **options)
    assert records(run) == records(whole)
    found = fallline.verify(run)
    assert found and not [finding for finding in found.findings if finding.path != "damaged"], str(found)


def test_a_stopped_run_is_sound_and_goes_on(run, whole):
    found = fallline.verify(run)
    assert found and "blocks are still to train" in str(found)
    goes_on(run, whole)


@pytest.mark.parametrize("kilobytes", [8, 40, 72, 104])
def test_a_disk_that_is_full_at_any_point_costs_nothing_that_was_finished(mounted, whole, monkeypatch, kilobytes):
    small_blocks(monkeypatch)
    disk = mounted("-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs")
    with pytest.raises(StoreError, match="the disk is full; free some space, then run again with --resume"):
        fallline.run(study(), disk / "run")
    if any((disk / "run").glob("*.json")):
        found = fallline.verify(disk / "run")
        assert not [finding for finding in found.findings if finding.block], "what was finished is whole"
    assert not (disk / "run/lock.json").exists()
    subprocess.run(["mount", "-o", "remount,size=16m", disk], check=True)
    goes_on(disk / "run", whole)


def test_a_read_only_folder_can_be_read_verified_and_reported_elsewhere(mounted, whole, run, cli, tmp_path):
    disk = mounted("--bind", run)
    subprocess.run(["mount", "-o", "remount,ro,bind", disk], check=True)
    with pytest.raises(StoreError, match=r"cannot write .*: that file system is read-only; choose another folder"):
        fallline.run(study(), disk, resume=True)
    assert fallline.verify(disk)
    with pytest.raises(StoreError, match="that file system is read-only"):
        fallline.repair_run(disk)
    code, told, _ = cli("show", disk, "--all")
    assert code == 0 and "0.1" in told and "could not be recorded" in told
    assert cli("report", disk, "--out", tmp_path / "page.html")[0] == 0 and (tmp_path / "page.html").stat().st_size > 0
    subprocess.run(["mount", "-o", "remount,rw,bind", disk], check=True)
    goes_on(disk, whole)


@pytest.mark.parametrize("years", [-20, 20])
def test_a_clock_that_was_set_changes_no_record(run, whole, monkeypatch, years):
    """The files then are of the future, or old; the processor's clock, which nobody sets, runs on."""
    shift = years * 365 * 86400
    (run / "lock.json").write_text(json.dumps({"host": socket.gethostname(), "pid": 2**22 + 1}))
    for path in run.rglob("*"):
        os.utime(path, (time.time() - shift,) * 2)
    real, gmtime = time.time, time.gmtime

    class Set(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.datetime.fromtimestamp(real() + shift, tz)

    monkeypatch.setattr(time, "time", lambda: real() + shift)
    monkeypatch.setattr(time, "gmtime", lambda *seconds: gmtime(*(seconds or [real() + shift])))
    monkeypatch.setattr(datetime, "datetime", Set)
    goes_on(run, whole)
    started = [json.loads(path.read_text())["started"] for path in sorted(run.glob("environments/*.json"))]
    assert len(started) == 2 and (started[1] > started[0]) == (years > 0)


HOLDER = """
import sys
from pathlib import Path
from fallline.store.lock import Lock
Lock(Path(sys.argv[1])).take()
print("holds", flush=True)
sys.stdin.read()
"""


def test_the_second_of_two_runs_is_told_who_holds_the_folder(run, whole, cli):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, run / "lock.json"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline() == "holds\n"
        with pytest.raises(StoreError, match=f"run is in use by process {holder.pid} on {socket.gethostname()}; wait"):
            fallline.run(study(), run, resume=True)
        code, _, error = cli("run", "try.toml", "--out", run)
        assert (
            code == 2 and error.count("\n") == 1 and f"end it (kill {holder.pid}) and continue with --resume" in error
        )
        assert "a run is under way" in str(fallline.verify(run)) and fallline.verify(run)
    finally:
        holder.kill()
        holder.communicate()
    assert "was killed" in str(fallline.verify(run)) and not fallline.verify(run)
    goes_on(run, whole)


def test_a_checkpoint_of_another_version_is_told_once_and_its_block_starts_anew(run, whole, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(fallline, "__version__", "9.9")
        for path in run.glob("checkpoints/*.npz"):
            with pytest.raises(checkpoint.Unusable, match=r"was written by fallline 0\.1\.0, and this is 9\.9"):
                checkpoint.opened(path).__enter__()
        unfinished = len(list(run.glob("checkpoints/*.npz")))
        found = fallline.verify(run)
        assert str(found).count("was written by fallline 0.1.0, and this is 9.9") == unfinished and not found
        with pytest.warns(FalllineWarning, match="starts again: its checkpoint was written by") as told:
            fallline.run(study(), run, resume=True)
    assert len(told) == unfinished
    assert records(run) == records(whole)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content[:900] + bytes([content[900] ^ 1]) + content[901:],
    ],
)
def test_a_damaged_checkpoint_is_found_told_and_no_loss(run, whole, damage):
    for path in run.glob("checkpoints/*.npz"):
        path.write_bytes(damage(path.read_bytes()))
    assert "it is damaged" in str(fallline.verify(run)) and not fallline.verify(run)
    with pytest.warns(FalllineWarning, match="starts again: its checkpoint is damaged"):
        fallline.run(study(), run, resume=True)
    assert records(run) == records(whole)


def test_a_checkpoint_of_other_trials_is_never_gone_on_from(run, whole):
    """The plan is lost, so names of blocks are given again: a checkpoint by the old name is of other trials."""
    (run / "plan.json").unlink()
    for folder in ("trials", "curves", "predictions", "weights", "timings"):
        shutil.rmtree(run / folder)
    other = study(axes={"learning_rate": [0.3, 0.03]})
    with pytest.warns(FalllineWarning, match="its checkpoint is of other trials"):
        got = fallline.run(other, run)
    wanted = fallline.run(other, run.parent / "alone")
    assert got.curves.equals(wanted.curves)


def test_the_command_line_prints_what_a_person_should_hear(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("FALLLINE_CHECKPOINT_SECONDS", "0")
    with monkeypatch.context() as patch:
        patch.setattr(RunWriter, "write_block", lambda *parts: (_ for _ in ()).throw(KeyboardInterrupt))
        assert cli("run", "try.toml", "--out", "run")[0] == 130
    held = next((tmp_path / "run/checkpoints").glob("*"))
    held.write_bytes(b"")
    code, _, error = cli("run", "try.toml", "--out", "run", "--no-report", "--resume")
    assert code == 0 and f"fallline: block {held.stem} starts again: its checkpoint is damaged (EOFError" in error


ELSEWHERE = {"host": "elsewhere", "pid": 4, "machine": "another", "boot": "another", "started": 3, "space": "pid:[1]"}


def test_a_folder_goes_on_in_another_place_on_another_machine(run, whole, monkeypatch, tmp_path):
    """No file holds a path that matters; another machine is another name, boot and id in whatever it writes."""
    moved = run.rename(tmp_path / "elsewhere")
    (moved / "lock.json").write_text(json.dumps(ELSEWHERE))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match=r"in use by process 4 on elsewhere; .* the folder was moved here\), remove"):
        fallline.run(study(), moved, resume=True)
    found = fallline.verify(moved)
    assert not found and "from here nobody can tell" in str(found)
    with pytest.raises(StoreError, match="in use by process 4 on elsewhere"):
        fallline.repair_run(moved)
    assert json.loads((moved / "lock.json").read_text()) == ELSEWHERE, "it was not stolen"
    (moved / "lock.json").unlink()
    goes_on(moved, whole)
    assert fallline.open_run(moved).summary().height == 2
