"""Executors one by one, without a cluster: their contract, the script that Slurm gets, what Slurm's words mean."""

import importlib.util
import json
import os
import shlex
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fallline
from fallline.errors import StudyError, UnknownName
from fallline.executors import process_group
from fallline.executors.gpus import Gpus
from fallline.executors.kinds import ray, slurm
from fallline.executors.protocol import LOST, check_options, executors, find_executor
from fallline.executors.supervisor import Ended
from fallline.store.launches import (
    CONTINUED,
    FAILED,
    WorkerNote,
    in_vain,
    launches,
    new_launch,
    notes,
    standing,
    write_note,
)
from fallline.store.leases import Leases, live
from fallline.store.paths import RunPaths
from fallline.study.plan import plan, spread
from jobs_study import load, write_study

PRINTABLE = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z"), include_characters=" "), min_size=1, max_size=20
)
HOSTILE = st.one_of(
    PRINTABLE,
    st.sampled_from(
        [
            "$(touch x)",
            "`touch x`",
            "a'; touch x; '",
            'a" ; touch x',
            "%j %A",
            "-rf",
            "a b",
            "\\",
            "~",
            "*",
            "${HOME}",
            "!!",
            "#",
            "&& touch x",
        ]
    ),
)


def launched(root, name="slurm", cohorts=(0, 3), processes=1, **options):
    return new_launch(RunPaths(root), name, cohorts, processes, check_options(find_executor(name), options))


@pytest.mark.parametrize("name", executors())
def test_every_executor_keeps_the_contract(name, tmp_path):
    executor = find_executor(name)
    launch = launched(tmp_path, name)
    assert launches(RunPaths(tmp_path)) == [launch], "what is written is read back"
    shown = executor.show(launch)
    assert "fallline work" in shown and str(launch.plan) in shown and executor.meaning
    assert all(seen.state == LOST or not launch.ids for seen in executor.status(launch).values())
    executor.cancel(launch)
    with pytest.raises(StudyError, match=f"executor {name} takes no option colour; it takes "):
        check_options(executor, {"colour": "red"})
    with pytest.raises(StudyError):
        check_options(executor, {"jobs": -1})


def test_an_unknown_executor_names_those_there_are():
    with pytest.raises(UnknownName, match="did you mean slurm"):
        find_executor("slurmm")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    folder=HOSTILE.filter(lambda text: not set(text) & set("/,:") and text not in (".", "..")),
    image=HOSTILE,
    bind=HOSTILE,
    data=HOSTILE.filter(lambda text: not Path(text).is_dir()),
)
def test_whatever_comes_from_outside_reaches_the_worker_as_it_is(tmp_path, monkeypatch, folder, image, bind, data):
    """The script is run as a person would: what its commands get is compared with what was asked."""
    heard = tmp_path / "heard.json"
    tool = tmp_path / "bin/apptainer"
    tool.parent.mkdir(exist_ok=True)
    tool.write_text(
        f"#!{sys.executable}\nimport json, os, sys\n"
        f"json.dump([sys.argv[1:], os.environ['FALLLINE_DATA']], open({str(heard)!r}, 'w'))\n"
    )
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}/usr/bin:/bin")
    monkeypatch.setenv("FALLLINE_DATA", data)
    monkeypatch.delenv("FALLLINE_CACHE", raising=False)
    root = tmp_path / folder
    root.mkdir(exist_ok=True)
    launch = launched(root, container=image, bind=[bind])
    launch.script.write_text(find_executor("slurm").show(launch))
    ended = subprocess.run(["bash", launch.script, "1"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    words, seen = json.loads(heard.read_text())
    assert words == [
        "exec",
        "--bind",
        str(root),
        "--bind",
        bind,
        image,
        "python3",
        "-m",
        "fallline",
        "work",
        str(root / "plan.json"),
        "3",
    ]
    assert seen == data and not (tmp_path / "x").exists()


def test_a_container_sees_the_run_the_study_and_the_data_by_itself(tmp_path, monkeypatch):
    study = write_study(tmp_path / "study")
    (tmp_path / "cache").mkdir()
    monkeypatch.delenv("FALLLINE_DATA", raising=False)
    monkeypatch.setenv("FALLLINE_CACHE", str(tmp_path / "cache"))
    jobs = fallline.launch(study, tmp_path / "run", executor="slurm", dry=True, options={"container": "it.sif"})
    binds = " ".join(f"--bind {tmp_path / name}" for name in ("run", "study", "cache"))
    assert f"exec {binds} it.sif python3 -m fallline work {tmp_path}/run/plan.json" in jobs.script.read_text()
    with pytest.raises(StudyError, match="its name has a comma or a colon"):
        fallline.launch(study, tmp_path / "a,b", executor="slurm", dry=True, options={"container": "it.sif"})


@pytest.mark.parametrize(
    "wrong",
    [
        {"partition": "a; rm"},
        {"time": "1h"},
        {"memory": "16 GB"},
        {"gpus": "two"},
        {"sbatch": ["--a\nrm"]},
        {"sbatch": ["rm -rf"]},
        {"account": "$(id)"},
        {"container": "a\nb"},
        {"cpus": 0},
    ],
)
def test_options_that_slurm_would_not_take_are_refused(wrong):
    with pytest.raises(StudyError):
        check_options(find_executor("slurm"), wrong)


def test_the_script_asks_for_what_was_asked(tmp_path):
    launch = launched(
        tmp_path,
        partition="teaching",
        gpus=1,
        cpus=4,
        memory="16G",
        time="1:00:00",
        account="lab",
        sbatch=["--constraint=a100"],
        processes=2,
    )
    lines = find_executor("slurm").show(launch).splitlines()
    asked = {line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH")}
    assert asked >= {
        "--partition=teaching",
        "--gpus-per-node=1",
        "--cpus-per-task=4",
        "--mem=16G",
        "--time=1:00:00",
        "--account=lab",
        "--constraint=a100",
        "--nodes=2",
        "--requeue",
        "--signal=B:USR1@60",
    }
    assert any(line.startswith("worker=(srun --kill-on-bad-exit=1 --ntasks=2") for line in lines)


# What Slurm says: its commands are played by scripts, since no cluster can be made to say all of it.


@pytest.fixture
def says(tmp_path, monkeypatch):
    """Let commands print what they are given; None: they fail."""
    home = tmp_path / "bin"
    home.mkdir()
    monkeypatch.setenv("PATH", f"{home}{os.pathsep}{os.environ['PATH']}")

    def play(says="slurm_load_jobs error: Invalid job id specified", **told):
        for name in ("squeue", "scontrol", "sacct", "scancel", "sbatch"):
            text = told.get(name)
            body = f"echo '{says}' >&2; exit 1" if text is None else f"printf '%s\\n' {shlex.quote(text)}"
            (home / name).write_text(f"#!/bin/sh\n{body}\n")
            (home / name).chmod(0o755)
        return slurm.status(launched(tmp_path / "run", cohorts=(0, 3)).with_ids({"arrays": [["7", 0, 2]]}))

    return play


def test_the_queue_is_asked_first_then_scontrol_then_sacct(says):
    queue = "7|0|RUNNING|None|n1\n7|1|PENDING|Resources|"
    seen = says(squeue=queue, scontrol="ArrayJobId=7 ArrayTaskId=0 JobState=FAILED", sacct="7_0|FAILED|1:0|n1")
    assert [tuple(seen[cohort][:3]) for cohort in (0, 3)] == [
        ("running", "", "7_0 on n1"),
        ("waiting", "Slurm says: Resources", "7_1"),
    ]
    seen = says(
        squeue="7|1|RUNNING|None|n2",
        scontrol="JobId=8 ArrayJobId=7 ArrayTaskId=0 JobState=COMPLETED Reason=None ExitCode=0:0 NodeList=n1",
    )
    assert (seen[0].state, seen[3].state) == ("done", "running")
    seen = says(sacct="7_0|OUT_OF_MEMORY|0:125|n1\n7_1|CANCELLED by 0|0:0|n1\n7_1.batch|CANCELLED|0:15|n1")
    assert seen[0].state == "failed" and "--memory" in seen[0].reason and seen[3].state == "cancelled"


def test_where_slurm_knows_nothing_the_job_is_lost_and_not_taken_for_done(says):
    assert {seen.state for seen in says().values()} == {"lost"}
    assert {seen.state for seen in says(squeue="", scontrol="", sacct="").values()} == {"lost"}


def test_where_slurm_does_not_answer_nothing_is_concluded(says):
    seen = says("Unable to contact slurm controller (connect failure)")
    assert {(one.state, one.reason) for one in seen.values()} == {("running", "Slurm does not answer")}


def test_a_submission_that_fails_says_so_in_slurms_words(says, tmp_path):
    says()
    with pytest.raises(fallline.FalllineError, match="sbatch failed"):
        slurm.launch(launched(tmp_path / "run"))


# Attempts, leases, groups


def test_attempts_that_come_no_further_are_counted_and_others_are_not(tmp_path):
    paths = RunPaths(tmp_path)
    for number, (state, where) in enumerate([(FAILED, "-"), ("training", "-"), (CONTINUED, "a"), (FAILED, "a")]):
        write_note(tmp_path, WorkerNote(3, where, host=f"h{number}", begun=number, state=state))
    known = notes(tmp_path, 3)
    assert [note.host for note in known] == ["h0", "h1", "h2", "h3"] and notes(tmp_path, 4) == []
    assert len(in_vain(known, "-")) == 2 and len(in_vain(known, "a")) == 1 and in_vain(known, "b") == []
    assert standing(paths, ["b0"]) == "-"
    paths.checkpoints.mkdir()
    paths.checkpoint("b0").write_bytes(b"1")
    assert standing(paths, ["b0"]) not in ("-", "done")


def test_a_lease_keeps_others_out_while_its_holder_lives_and_no_longer(tmp_path):
    paths = RunPaths(tmp_path)
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        with Leases(paths, "first") as mine, Leases(paths, "second") as theirs:
            theirs.me = replace(theirs.me, pid=other.pid, started=None)
            assert theirs.take("b0") and not mine.take("b0") and mine.take("b1") and sorted(live(paths)) == ["b0", "b1"]
            again = Leases(paths, "second")
            assert again.take("b0"), "a job that was started again holds what it held"
            theirs.me = replace(theirs.me, pid=other.pid, started=None)
            theirs.take("b0")
            old = time.time() - 60
            os.utime(paths.lease("b0"), (old, old))
            assert mine.take("b0"), "it was not renewed"
        assert live(paths) == []
        with Leases(paths) as gone:
            gone.me = replace(gone.me, pid=other.pid, started=None)
            assert gone.take("b2")
            other.communicate(b"\n")
            assert Leases(paths).take("b2"), "its process is gone"
            paths.lease("b2").write_text("{torn")
            assert Leases(paths).take("b2")
    finally:
        other.kill()


SCRIPT = "import os, sys, time; k = os.environ['FALLLINE_PROCESS']; print('here is', k, flush=True)\n"


def group_of(tmp_path, monkeypatch, code, processes=2):
    monkeypatch.setattr(process_group, "worker_command", lambda *_: [sys.executable, "-c", SCRIPT + code])
    launch = launched(tmp_path, "local", processes=processes)
    group = process_group.ProcessGroup.start(launch, 0, "job")
    until = time.monotonic() + 60
    while (ended := group.ended()) is None and time.monotonic() < until:
        time.sleep(0.05)
    return launch, group, ended


def test_where_one_of_a_group_dies_the_others_are_ended_and_it_is_named(tmp_path, monkeypatch):
    code = "if k == '1': print('no oil', flush=True); sys.exit(7)\ntime.sleep(600)"
    _, group, ended = group_of(tmp_path, monkeypatch, code)
    assert ended == Ended(7, "process 1 of 2 failed with exit code 7; it said last: here is 1 | no oil")
    assert all(process.poll() is not None for process in group.processes)


def test_a_group_that_does_not_hear_is_ended_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(process_group, "TERM_SECONDS", 0.2)
    code = (
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "if k == '0': time.sleep(0.5); os.kill(os.getpid(), 9)\ntime.sleep(600)"
    )
    _, _, ended = group_of(tmp_path, monkeypatch, code)
    assert ended.code == -9 and "process 0 of 2 was ended by SIGKILL" in ended.reason


def test_a_group_is_told_where_it_meets(tmp_path, monkeypatch):
    code = "print(os.environ['FALLLINE_COORDINATOR'], os.environ['FALLLINE_PROCESSES'], os.environ['FALLLINE_LAUNCH'])"
    launch, _, ended = group_of(tmp_path, monkeypatch, code)
    told = {launch.log(0, process).read_text().splitlines()[1] for process in (0, 1)}
    assert ended == Ended(0) and len(told) == 1 and told.pop().split()[1:] == ["2", "1"]


def test_jobs_on_one_machine_see_gpus_of_their_own(tmp_path, monkeypatch):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\nprintf 'GPU 0: A (UUID: x)\\nGPU 1: B (UUID: y)\\n'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    gpus = Gpus(0, 2)
    (first, told), (second, _) = gpus.take(), gpus.take()
    assert (first, second, told) == (["0"], ["1"], {"CUDA_VISIBLE_DEVICES": "0"})
    gpus.give_back(second)
    assert gpus.take()[0] == ["1"], "the one that is free"
    shared = Gpus(1, 4).take()[1]
    assert float(shared["XLA_PYTHON_CLIENT_MEM_FRACTION"]) == 0.375, "two jobs a GPU"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    assert Gpus(1, 1).take()[0] == ["3"]
    with pytest.raises(StudyError, match="a job is to have 2 GPUs, and this machine shows 1"):
        Gpus(2, 1)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert Gpus(0, 2).take() == ([], {})


LISTENING = """
import sys
from types import SimpleNamespace
from pathlib import Path
import psutil
from fallline.executors.kinds.ray import Tasks

tasks = Tasks(SimpleNamespace(options={"address": "", "jobs": 1, "cpus": 1, "gpus": "0"}, folder=Path(sys.argv[1])))
tasks.ray.get(tasks.ray.remote(lambda: 1).remote())
own = psutil.Process()
for process in [own, *own.children(recursive=True)]:
    for connection in process.net_connections():
        if connection.status == "LISTEN":
            print(connection.laddr.ip)
tasks.close()
"""


def test_a_local_ray_cluster_listens_on_the_loopback_only(tmp_path, monkeypatch):
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    ended = subprocess.run([sys.executable, "-c", LISTENING, tmp_path], capture_output=True, text=True)
    addresses = {line.removeprefix("::ffff:") for line in ended.stdout.splitlines()}
    assert ended.returncode == 0 and addresses == {"127.0.0.1"}, ended.stdout + ended.stderr


def test_ray_takes_the_address_of_the_option_or_of_the_environment(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert ray._address({"address": "10.0.0.2:6379"}) == "10.0.0.2:6379"
    assert ray._address({"address": ""}) == "10.0.0.1:6379"
    monkeypatch.setenv("RAY_ADDRESS", "local")
    assert ray._address({"address": ""}) == ""


# Studies and plans


def test_a_study_that_lives_in_this_process_cannot_leave_it(tmp_path):
    task = load(write_study(tmp_path)).trials()[0].task
    study = fallline.Study(name="here", task=task, base={"steps": 4, "batch_size": 8, "optimizer": "adam"})
    with pytest.raises(StudyError, match="task own-dots of study here live in this Python process alone"):
        fallline.launch(study, tmp_path / "run", executor="local")
    assert not (tmp_path / "run").exists()


def test_cohorts_are_cut_until_there_are_as_many_as_jobs(tmp_path):
    trials = load(write_study(tmp_path), (8, 16)).with_({"seeds": 3}).trials()
    cohorts = plan(trials)
    for jobs in (1, 2, 3, 5, len(trials), 100):
        cut = spread(cohorts, jobs)
        assert len(cut) == max(2, min(jobs, len(trials))) and len({cohort.name for cohort in cut}) == len(cut)
        names = [trial.name for cohort in cut for row in cohort.trials for trial in row]
        assert sorted(names) == sorted(trial.name for trial in trials)


def test_a_plan_for_gpus_is_made_where_there_are_none(tmp_path):
    """As on a login node: what a CPU cannot do is no error, and nothing is compiled or measured for it."""
    study = load(write_study(tmp_path / "study"), (8,)).with_({"base": {"precision": "bfloat16"}})
    with pytest.raises(StudyError, match="needs an accelerator"):
        fallline.launch(study, tmp_path / "here", executor="slurm", dry=True)
    fallline.launch(study, tmp_path / "run", executor="slurm", options={"gpus": 1, "cpus": 3}, dry=True)
    (cohort,) = json.loads((tmp_path / "run/plan.json").read_text())["rounds"][0]["cohorts"]
    assert cohort["device"] == "gpu: another machine's"


def test_a_dry_run_launches_nothing_and_leaves_all_to_be_run_by_hand(tmp_path):
    study = write_study(tmp_path / "study")
    told = subprocess.run(
        [
            sys.executable,
            "-m",
            "fallline",
            "run",
            study,
            "--executor",
            "slurm",
            "--partition",
            "gpu",
            "--out",
            tmp_path / "run",
            "--dry-run",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == Path(tmp_path / "run/launches/001/job.sh").read_text() and "cohorts=(0 1 2" in told.stdout
    assert set(fallline.jobs(tmp_path / "run").status()["state"]) == {"lost"}
