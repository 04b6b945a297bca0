"""The lock: a process that is gone is known by its start, its boot and its space; of many that see it one has it."""

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace

import pytest

from fallline.errors import StoreError
from fallline.store import lock as locks
from fallline.store.lock import Lock, Owner, owner_of, read_owner, this_process

ME = this_process()
PARENT = replace(ME, pid=os.getppid(), started=locks._started(os.getppid()))
CASES = {
    "ourselves": (ME, "here"),
    "another that lives": (PARENT, "here"),
    "one of an older version that lives": (Owner(ME.host, os.getppid()), "here"),
    "a number that another process has by now": (replace(PARENT, started=PARENT.started - 1), "gone"),
    "our own number, before us": (replace(ME, started=ME.started - 1), "gone"),
    "our own number in a lock of an older version": (Owner(ME.host, os.getpid()), "gone"),
    "nobody's number": (replace(ME, pid=2**22 + 1), "gone"),
    "before the machine was started again": (replace(PARENT, boot="before"), "gone"),
    "another machine": (replace(PARENT, host="other", machine="other", boot="other"), "elsewhere"),
    "another machine of our name": (replace(PARENT, machine="other", boot="other"), "elsewhere"),
    "a boot that may be another machine's": (replace(PARENT, machine="", boot="other"), "elsewhere"),
    "another container of this machine": (replace(PARENT, host="container", space="pid:[7]"), "elsewhere"),
    "our machine under an earlier name": (replace(PARENT, host="laptop-at-home"), "here"),
    "our machine under an earlier name, gone": (replace(ME, host="laptop-at-home", pid=2**22 + 1), "gone"),
}


@pytest.mark.skipif(not (ME.boot and ME.machine), reason="this machine tells no id of its own or of its boot")
@pytest.mark.parametrize("case", CASES)
def test_who_lives_who_is_gone_and_of_whom_nothing_can_be_told(case, tmp_path):
    owner, place = CASES[case]
    assert owner.place == place
    path = tmp_path / "lock.json"
    path.write_text(json.dumps(asdict(owner)))
    mine = Lock(path)
    if place == "gone":
        mine.take()
        assert owner_of(path).pid == os.getpid()
        mine.release()
        assert os.listdir(tmp_path) == []
    else:
        with pytest.raises(StoreError, match="is in use by"):
            mine.take()
        assert os.listdir(tmp_path) == ["lock.json"] and owner_of(path) == owner


def test_a_process_cannot_take_a_lock_twice(tmp_path):
    first, second = Lock(tmp_path / "lock.json"), Lock(tmp_path / "lock.json")
    first.take()
    with pytest.raises(StoreError, match="by this very process"):
        second.take()
    second.release()
    first.check()
    first.release()
    second.take()


def test_a_lock_that_was_taken_away_is_missed_and_anothers_is_left_alone(tmp_path):
    path = tmp_path / "lock.json"
    first, second = Lock(path), Lock(path)
    first.take()
    path.unlink()
    second.take()
    with pytest.raises(StoreError, match="was removed or replaced while this run was writing"):
        first.check()
    first.release()
    second.check()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"host": 3, "pid": 4}',
        b'{"host": "a", "pid": "x"}',
        b'{"host": "a", "pid": 1e999}',
        b"[" * 5000,
        b"\xff" * 50,
    ],
)
def test_a_torn_lock_is_nobodys(tmp_path, content):
    assert read_owner(content) is None
    path = tmp_path / "lock.json"
    path.write_bytes(content)
    Lock(path).take()


def test_a_file_system_without_links_has_locks_too(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    first, second = Lock(tmp_path / "lock.json"), Lock(tmp_path / "lock.json")
    first.take()
    with pytest.raises(StoreError):
        second.take()
    first.release()
    assert os.listdir(tmp_path) == []


RACE = """
import json, os, random, signal, sys
from pathlib import Path
from fallline.errors import StoreError
from fallline.store.lock import Lock
from faulty import Dying

folder, workers = Path(sys.argv[1]), 6
deaths = 0


def contend(number, seed):
    draw = random.Random(seed)
    if draw.random() < 0.5:
        Dying(folder, draw.randint(1, 25), draw.random() < 0.5)
    for _ in range(4):
        lock = Lock(folder / "lock.json")
        try:
            lock.take()
        except StoreError:
            continue
        inside = os.open(folder / f"inside-{number}", os.O_CREAT | os.O_WRONLY)
        others = [path for path in folder.glob("inside-*") if path.name != f"inside-{number}"]
        os.write(report, b"!" if any(map(lives, others)) else b".")
        os.close(inside)
        os.unlink(folder / f"inside-{number}")
        lock.release()
    os._exit(0)


def lives(path):
    try:
        state = Path(f"/proc/{path.name[7:]}/stat").read_text().rpartition(")")[2].split()[0]
        return state not in "ZX" and path.exists()
    except OSError:
        return False


reading, report = os.pipe()
for round_ in range(int(sys.argv[2])):
    (folder / "lock.json").write_text(json.dumps({"host": os.uname().nodename, "pid": 2**22 + 1, "token": str(round_)}))
    pids = []
    for worker in range(workers):
        pid = os.fork()
        if pid == 0:
            contend(os.getpid(), 100 * round_ + worker)
        pids.append(pid)
    for pid in pids:
        deaths += os.waitpid(pid, 0)[1] == signal.SIGKILL
    Lock(folder / "lock.json").take()
    for path in folder.iterdir():
        path.unlink()
os.close(report)
told = os.fdopen(reading, "rb").read()
print(json.dumps({"wins": told.count(b"."), "violations": told.count(b"!"), "deaths": deaths}))
"""


def test_of_many_that_take_a_stale_lock_at_once_one_has_it_though_some_are_killed_on_the_way(tmp_path):
    told = subprocess.run(
        [sys.executable, "-c", RACE, tmp_path, "25"],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout)
    assert found["violations"] == 0 and found["wins"] >= 25 and found["deaths"] >= 25, found
