"""Every file of a run folder is covered by a checksum: whatever is changed, emptied or gone is found, and told."""

import json
import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

import fallline
from command_line import STUDY
from fallline.store.checksums import noted, read_journal
from fallline.store.files import write_json
from faulty import copied
from faulty import study as small_study

EDITS = {
    "gone": None,
    "emptied": lambda content: b"",
    "longer": lambda content: content + b" ",
    "cut": lambda content: content[: len(content) // 2],
    "flipped": lambda content: _flipped(content),
}


def _flipped(content, place=0.33):
    middle = int(place * len(content))
    return content[:middle] + bytes(byte ^ 1 for byte in content[middle : middle + 1]) + content[middle + 1 :]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run by jobs with its page, figures and an export: a file of every kind."""
    home = tmp_path_factory.mktemp("sums")
    (home / "try.toml").write_text(
        STUDY.replace(
            "[base]",
            '[[claims]]\ntext = "Adam is better."\n'
            'better = {optimizer = "adam"}\nworse = {optimizer = "momentum"}\n'
            "[base]",
        )
    )
    folder = home / "run"
    result = fallline.launch(home / "try.toml", folder, executor="local", options={"jobs": 1}).collect()
    result.report()
    result.figures("curves", formats=["svg"])
    result.export("csv")
    assert fallline.run(small_study(), home / "predicts").trials.height
    return home


def files_of(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def lost(folder, path, edit):
    """The findings after one file was changed; the file is as before then."""
    content = (folder / path).read_bytes()
    if EDITS[edit] is None:
        (folder / path).unlink()
    else:
        (folder / path).write_bytes(EDITS[edit](content))
    changed = not (folder / path).exists() or (folder / path).read_bytes() != content
    found = fallline.verify(folder) if changed else None
    (folder / path).write_bytes(content)
    return found


@pytest.mark.parametrize("name", ["run", "predicts"])
@pytest.mark.parametrize("edit", EDITS)
def test_a_file_that_is_changed_emptied_or_gone_is_found_whichever_it_is(whole, name, edit):
    folder = whole / name
    assert fallline.verify(folder).findings == (), str(fallline.verify(folder))
    names = files_of(folder)
    assert name == "predicts" or {path.split("/")[0] for path in names} >= {
        "trials",
        "curves",
        "weights",
        "timings",
        "environments",
        "launches",
        "report",
        "exports",
        "sums.json",
        "study.toml",
        "plan.json",
        "claims.json",
    }
    missed = []
    for path in names:
        found = lost(folder, path, edit)
        if found is not None and not any(
            finding.path == path or path.startswith(f"{finding.path}/") for finding in found.findings
        ):
            missed.append((path, str(found)))
        only_noted = path.startswith("exports/") or (edit == "longer" and "/logs/" in path)
        if found is not None and bool(found) != only_noted:
            missed.append((path, "right" if found else "wrong"))
    assert not missed
    assert fallline.verify(folder).findings == ()


@pytest.fixture
def run(whole, tmp_path):
    return copied(whole / "run", tmp_path / "run")


@pytest.mark.parametrize(
    "path, change",
    [
        ("study.toml", lambda text: text.split("[[claims]]")[0]),
        ("study.toml", lambda text: text.replace("final_train_loss", "min_train_loss")),
        ("launches/001/launch.json", lambda text: text.replace('"local"', '"slurm"')),
        ("launches/001/job.sh", lambda text: text + "true\n"),
        ("claims.json", lambda text: text.replace('"recorded": 0', '"recorded": 7')),
    ],
)
def test_what_can_be_read_and_says_something_else_is_found(run, path, change):
    before = (run / path).read_text()
    (run / path).write_text(change(before))
    assert (run / path).read_text() != before
    found = fallline.verify(run)
    assert {finding.path for finding in found.wrong} == {path} and "--repair moves it aside" in str(found)


def test_a_timing_without_checksums_is_found(run):
    path = next(run.glob("timings/*.json"))
    for change in ({"sha256": {}}, {"sha256": {}, "sum": "0"}):
        timing = json.loads(path.read_text())
        path.write_text(json.dumps(timing | change))
        assert not fallline.verify(run)
    without = {key: value for key, value in timing.items() if key not in ("sum", "sha256")}
    path.write_text(json.dumps(without))
    assert "it has no checksums" in str(fallline.verify(run))


@pytest.mark.parametrize("name", ["notes.txt", "report/mine.html", "launches/001/else.txt", "deep/below/file"])
def test_a_foreign_file_is_found_wherever_it_is_and_moved_aside(run, name):
    (run / name).parent.mkdir(parents=True, exist_ok=True)
    (run / name).write_text("mine")
    assert f"{name}: it is no file of a run; --repair moves it aside" in str(fallline.verify(run))
    fallline.repair_run(run)
    assert fallline.verify(run) and (run / "damaged/1" / name).read_text() == "mine"


@pytest.mark.parametrize(
    "name",
    [
        "report/figures/.x.png.abcdefgh",
        ".sums.json.abcdefgh",
        "exports/.csv.abcdefgh/a.csv",
        "scaling/.points.parquet.abcdefgh",
    ],
)
def test_what_a_kill_left_is_found_and_swept_at_resume(whole, run, name):
    (run / name).parent.mkdir(parents=True, exist_ok=True)
    (run / name).write_text("half")
    assert "half a file, left by a run that was killed" in str(fallline.verify(run))
    fallline.run(whole / "try.toml", run, resume=True)
    assert not (run / name).exists() and fallline.verify(run)


def test_every_finding_can_be_mended_by_what_it_says(whole, tmp_path):
    """Each file gone in turn: after --repair, the command with --resume and a report the folder is sound."""
    for number, path in enumerate(files_of(whole / "run")):
        if path.startswith(("exports/", "report/tables/")):
            continue
        folder = copied(whole / "run", tmp_path / str(number))
        (folder / path).unlink()
        fallline.repair_run(folder)
        fallline.run(whole / "try.toml", folder, resume=True).report()
        found = fallline.verify(folder)
        assert found, (path, str(found))
        shutil.rmtree(folder)


def test_a_write_that_was_cut_short_before_or_after_the_file_is_no_damage(whole, run):
    path = run / "environments/000.json"
    old, new = path.read_bytes(), b"{}\n"
    for content in (old, new):
        with pytest.raises(KeyboardInterrupt), noted(path, new):
            path.write_bytes(content)
            raise KeyboardInterrupt
        assert fallline.verify(run)
    path.write_bytes(b"{ }\n")
    assert not fallline.verify(run)
    fallline.run(whole / "try.toml", run)  # which settles what was left open
    assert not fallline.verify(run), "what was there then is no part of it"


@pytest.mark.parametrize("line", range(1, 7))
def test_a_reading_killed_at_any_line_leaves_a_sound_folder(run, tmp_path, line):
    """The process that notes a reading of test kills itself at its k-th write of checksums or file."""
    code = (
        "import os, signal, sys, pathlib, fallline\n"
        "from fallline.store.files import write_json\n"
        "count = 0\n"
        "def counted(real):\n"
        "    def call(*given, **named):\n"
        "        global count\n"
        "        count += 1\n"
        f"        if count == {line}: os.kill(os.getpid(), signal.SIGKILL)\n"
        "        return real(*given, **named)\n"
        "    return call\n"
        "for name in ('write', 'replace', 'open'): setattr(os, name, counted(getattr(os, name)))\n"
        "write_json(pathlib.Path(sys.argv[1]), [])\n"
    )
    told = subprocess.run([sys.executable, "-c", code, run / "test_reads.json"])
    assert told.returncode in (0, -signal.SIGKILL)
    wrong = fallline.verify(run).wrong
    assert all("half a file" in finding.wrong for finding in wrong), wrong


def test_many_at_once_leave_checksums_that_fit(run):
    """Readers note at the same time as whoever writes: no line is lost, whoever came last."""

    def write(number):
        write_json(
            run / ("test_reads.json" if number % 2 else f"environments/{number:03d}.json"),
            [] if number % 2 else {"number": number},
        )

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(64)))
    assert fallline.verify(run), str(fallline.verify(run))
    assert not read_journal(run).damaged


def test_a_disk_that_is_full_leaves_no_half_of_a_line(run, monkeypatch):
    real = os.write

    def full(handle, content):
        if len(content) > 20:
            return real(handle, content[:20])
        raise OSError(28, "No space left on device")

    before = (run / "sums.json").read_bytes()
    with monkeypatch.context() as patch, pytest.raises(fallline.errors.StoreError, match="the disk is full"):
        patch.setattr(
            os, "write", lambda handle, content: full(handle, content) if len(content) > 60 else full(handle, b"x")
        )
        write_json(run / "claims.json", [])
    assert (run / "sums.json").read_bytes() == before and fallline.verify(run)


def test_a_folder_of_a_version_without_checksums_gets_them_at_the_next_start(whole, run):
    (run / "sums.json").unlink()
    for path in run.glob("timings/*.json"):
        timing = json.loads(path.read_text())
        path.write_text(json.dumps({key: value for key, value in timing.items() if key != "sum"}))
    fallline.run(whole / "try.toml", run)
    assert fallline.verify(run).findings == ()
