"""A run that is refused leaves nothing: no file, no folder, and an earlier run's folder byte for byte as it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import fallline
from fallline.errors import FalllineError, StoreError
from fallline.executors import driver
from fallline.executors.kinds import slurm
from fallline.store import writing
from fallline.study import Study
from fallline.training import planning

CLAIMS = [{"text": "t", "better": {"learning_rate": 0.1}, "worse": {"learning_rate": 0.01}}]
LINE = Study(
    name="s",
    task="line",
    metric="final_train_loss",
    axes={"learning_rate": [0.1, 0.01]},
    claims=CLAIMS,
    base={"optimizer": "gradient_descent", "batch_size": "all", "steps": 3},
)
DIGITS = Study(
    name="s",
    task="mnist-softmax",
    axes={"learning_rate": [0.1, 0.01]},
    claims=CLAIMS,
    base={"optimizer": "adam", "batch_size": 100, "steps": 3},
)


def command(folder: Path, name: str, does: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{does}\n", encoding="utf-8")
    path.chmod(0o755)


def no_sbatch(monkeypatch, tmp_path):
    monkeypatch.setattr(slurm.shutil, "which", lambda name: None)
    return LINE, {"executor": "slurm"}, "there is no sbatch on this machine"


def sbatch_says_no(monkeypatch, tmp_path):
    (tmp_path / "bin").mkdir()
    command(tmp_path / "bin", "sbatch", "echo invalid partition >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return LINE, {"executor": "slurm", "options": {"partition": "none"}}, "sbatch failed: invalid partition"


def no_ray(monkeypatch, tmp_path):
    import importlib.util
    import sys

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "ray", None)
    return LINE, {"executor": "ray"}, "Ray, which is not installed"


def no_such_gpus(monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    return LINE, {"executor": "local", "options": {"gpus": "3"}}, "a job is to have 3 GPUs, and this machine shows 2"


def wrong_option(monkeypatch, tmp_path):
    return LINE, {"executor": "slurm", "options": {"cpus": 0}}, "cpus and warn must be 1 or more"


def no_data(monkeypatch, tmp_path):
    monkeypatch.delenv("FALLLINE_DATA", raising=False)
    (tmp_path / "empty").mkdir()
    return DIGITS.with_({"data": "full"}), {"data": tmp_path / "empty"}, "mnist"


def no_data_elsewhere(monkeypatch, tmp_path):
    study, options, part = no_data(monkeypatch, tmp_path)
    return study, options | {"executor": "local"}, part


def too_many_devices(monkeypatch, tmp_path):
    return LINE, {"devices": "data=64"}, "64"


def no_memory(monkeypatch, tmp_path):
    monkeypatch.setenv("FALLLINE_MEMORY_GB", "0.000001")
    return DIGITS, {}, "one trial needs"


def a_batch_larger_than_the_data(monkeypatch, tmp_path):
    return DIGITS.with_({"base": {"batch_size": 50_000}}), {}, "50,000"


def a_text_that_is_too_long(monkeypatch, tmp_path):
    monkeypatch.setattr(writing, "MAX_TEXT_BYTES", 100)
    return LINE, {}, "more than 100"


def a_disk_that_is_full(monkeypatch, tmp_path):
    def full(*_):
        raise StoreError("cannot write: the disk is full")

    monkeypatch.setattr(planning, "write_labels", full)
    return LINE, {}, "the disk is full"


def a_wrong_checkpoint_setting(monkeypatch, tmp_path):
    monkeypatch.setenv("FALLLINE_CHECKPOINT_SECONDS", "soon")
    return LINE, {}, "FALLLINE_CHECKPOINT_SECONDS"


WAYS = [
    no_sbatch,
    sbatch_says_no,
    no_ray,
    no_such_gpus,
    wrong_option,
    no_data,
    no_data_elsewhere,
    too_many_devices,
    no_memory,
    a_batch_larger_than_the_data,
    a_text_that_is_too_long,
    a_disk_that_is_full,
    a_wrong_checkpoint_setting,
]


def content(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_left_of_a_run_that_is_refused(way, tmp_path, monkeypatch):
    study, options, part = way(monkeypatch, tmp_path)
    with pytest.raises(FalllineError, match=part):
        fallline.run(study, tmp_path / "runs" / "deep" / "run", **options)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("way", WAYS)
def test_an_earlier_run_is_as_it_was_after_one_that_is_refused(way, tmp_path, monkeypatch):
    earlier = DIGITS if way in (no_data, no_data_elsewhere, no_memory, a_batch_larger_than_the_data) else LINE
    out = fallline.run(earlier.with_({"claims": [], "axes": {"learning_rate": [0.3]}}), tmp_path / "run").folder
    before = content(out)
    study, options, part = way(monkeypatch, tmp_path)
    with pytest.raises(FalllineError, match=part):
        fallline.run(study, out, **options)
    assert content(out) == before


def test_an_empty_folder_of_the_users_is_kept(tmp_path, monkeypatch):
    study, options, part = no_memory(monkeypatch, tmp_path)
    (tmp_path / "run").mkdir()
    with pytest.raises(FalllineError, match=part):
        fallline.run(study, tmp_path / "run", **options)
    assert content(tmp_path / "run") == {}


def test_an_interrupt_while_a_run_is_planned_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    for name in ("fit_to_memory", "describe", "write_labels"):
        monkeypatch.setattr(planning, name, interrupted)
        with pytest.raises(KeyboardInterrupt):
            fallline.run(LINE, tmp_path / "run")
        assert not (tmp_path / "run").exists(), name
        monkeypatch.undo()


def test_jobs_that_were_submitted_before_one_was_refused_are_cancelled(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    command(
        tmp_path / "bin",
        "sbatch",
        f'echo "$@" >> {tmp_path}/sbatch\ntest $(wc -l < {tmp_path}/sbatch) = 1 || exit 1\necho 77',
    )
    command(tmp_path / "bin", "scancel", f'echo "$@" >> {tmp_path}/scancel')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(slurm, "TASKS", 1)
    with pytest.raises(FalllineError, match="sbatch failed"):
        fallline.run(LINE, tmp_path / "run", executor="slurm", options={"jobs": 2})
    assert (tmp_path / "scancel").read_text().split() == ["77"] and not (tmp_path / "run").exists()


def test_what_would_be_launched_is_shown_without_a_scheduler(tmp_path, monkeypatch):
    study, options, _ = no_sbatch(monkeypatch, tmp_path)
    jobs = fallline.launch(study, tmp_path / "run", dry=True, **options)
    assert "fallline" in jobs.script.read_text() and driver.last_launch(writing.RunPaths(tmp_path / "run")).number == 1


def test_names_are_checked_before_devices_are_measured(tmp_path, monkeypatch):
    from fallline.scaling import run as measuring

    monkeypatch.setattr(measuring, "measure_for_run", lambda *_: pytest.fail("measured"))
    study = LINE.with_({"scale": {"devices": [1]}, "goals": {"los": "min"}})
    with pytest.raises(FalllineError, match="no metric is named 'los'"):
        fallline.run(study, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_was_measured_for_a_run_that_is_refused_goes_too(tmp_path, monkeypatch):
    from fallline.scaling import run as measuring

    def measure(study, out, *_):
        (out / "scaling").mkdir(parents=True)
        (out / "scaling" / "points.parquet").write_bytes(b"times")

    monkeypatch.setattr(measuring, "measure_for_run", measure)
    monkeypatch.setenv("FALLLINE_MEMORY_GB", "0.000001")
    with pytest.raises(FalllineError, match="one trial needs"):
        fallline.run(DIGITS.with_({"scale": {"devices": [1]}}), tmp_path / "runs" / "run")
    assert not (tmp_path / "runs").exists()
