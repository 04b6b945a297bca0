"""Runs over jobs, for real: the same records whoever trains, and nothing lost whatever ends the jobs."""

import signal
import subprocess
import sys

import pytest

import fallline
from cluster_fixtures import kill, pull_the_plug, ray_cluster, slurm, slurm_cluster  # noqa: F401  (fixtures)
from fallline.errors import JobsError, StoreError
from jobs_study import assert_same_records, chunks, continued, load, states, wait_for, words, write_study

TWO = (8, 16)


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.setenv("FALLLINE_CHECKPOINT_SECONDS", "0")
    return write_study(tmp_path / "study")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The records that the whole study has when this process trains it."""
    folder = tmp_path_factory.mktemp("one")
    fallline.run(load(write_study(folder)), folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def two_undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    fallline.run(load(write_study(folder), TWO), folder / "run")
    return folder / "run"


class Local:
    """Launches over this machine's processes."""

    name = "local"

    def launch(self, study, out, sizes=None, **more):
        return fallline.launch(load(study, sizes), out, executor="local", options={"jobs": 2}, **more)

    def cancel(self, jobs):
        jobs.cancel()


class OverSlurm(Local):
    name = "slurm"

    def launch(self, study, out, sizes=None, options=None, **more):
        options = {"partition": "main", "memory": "500M", "time": "5"} | (options or {})
        return fallline.launch(load(study, sizes), out, executor="slurm", options=options, **more)

    def cancel(self, jobs):
        """As a person does who knows the number alone."""
        number = jobs.status()["where"][0].split("_")[0]
        subprocess.run(["scancel", number], check=True)


class OverRay(Local):
    """The launching command runs where the cluster can be reached; whoever looks on need not."""

    name = "ray"

    def __init__(self, cluster):
        self.cluster = cluster

    def launch(self, study, out, sizes=None, resume=False):
        more = [] if sizes is None else ["--set", f"axes.batch_size={list(sizes)}"]
        command = [
            sys.executable,
            "-m",
            "fallline",
            "run",
            str(study),
            "--out",
            str(out),
            "--executor",
            "ray",
            "--address",
            self.cluster.address,
            "--no-wait",
            *more,
            *["--resume"] * resume,
        ]
        subprocess.run([*self.cluster.inside, *command], check=True, capture_output=True, timeout=120)
        return fallline.jobs(out)


@pytest.fixture(params=["local", "slurm", "ray"])
def executor(request):
    if request.param == "slurm":
        request.getfixturevalue("slurm")
        return OverSlurm()
    return OverRay(request.getfixturevalue("ray_cluster")) if request.param == "ray" else Local()


def test_eight_cohorts_have_the_records_of_one_process(executor, study, tmp_path, undisturbed):
    jobs = executor.launch(study, tmp_path / "run")
    result = jobs.collect()
    assert_same_records(undisturbed, tmp_path / "run")
    assert words(tmp_path / "run") == ["done"] and len(states(tmp_path / "run")) == 8
    assert len(result.records.plan["rounds"]) == 1 and not result.records.missing
    workers = list((tmp_path / "run/launches/001/workers").glob("*.json"))
    assert len(workers) == 8, "each cohort was trained by a process of its own, once"
    assert not (tmp_path / "run/leases").exists() or not any((tmp_path / "run/leases").iterdir())


def test_cancelled_jobs_leave_checkpoints_and_go_on_bit_for_bit(executor, study, tmp_path, two_undisturbed):
    hold = study.with_name("hold")
    hold.touch()
    jobs = executor.launch(study, tmp_path / "run", TWO)
    wait_for(lambda: len(list((tmp_path / "run/checkpoints").glob("*.npz"))) == 2)
    with pytest.raises(StoreError, match=r"2 jobs of the run .* are still out"):
        fallline.run(load(study, TWO), tmp_path / "run", resume=True)
    executor.cancel(jobs)
    with pytest.raises(JobsError, match="cohort 1 cancelled"):
        jobs.collect()
    assert words(tmp_path / "run") == ["cancelled"]
    assert len(list((tmp_path / "run/checkpoints").glob("*.npz"))) == 2
    hold.unlink()
    before = chunks(study)
    executor.launch(study, tmp_path / "run", TWO, resume=True).collect()
    assert chunks(study) - before < 2 * 30, "what was trained was not trained again"
    assert_same_records(two_undisturbed, tmp_path / "run")


def test_a_job_that_fails_every_time_is_given_up_with_its_reason(executor, study, tmp_path):
    study.with_name("fail").touch()
    jobs = executor.launch(study, tmp_path / "run", TWO[:1])
    with pytest.raises(JobsError, match=r"cohort 0 failed: failed 3 times: .*the oracle is silent"):
        jobs.collect()
    state = states(tmp_path / "run")[0]
    assert (state["state"], state["attempts"]) == ("failed", 3)


def test_a_worker_that_is_killed_every_time_is_given_up(study, tmp_path):
    study.with_name("crash").touch()
    with pytest.raises(JobsError, match="given up after 3 attempts that came no further; the last: it was killed"):
        Local().launch(study, tmp_path / "run", TWO[:1]).collect()


def test_a_killed_worker_is_started_again_and_goes_on_bit_for_bit(study, tmp_path, two_undisturbed):
    hold = study.with_name("hold")
    hold.touch()
    jobs = Local().launch(study, tmp_path / "run", TWO)
    wait_for(lambda: len(list((tmp_path / "run/checkpoints").glob("*.npz"))) == 2)
    for row in states(tmp_path / "run").values():
        kill(int(row["where"].split(",")[0].split()[-1]))
    hold.unlink()
    jobs.collect()
    assert {row["attempts"] for row in states(tmp_path / "run").values()} == {2}
    assert_same_records(two_undisturbed, tmp_path / "run")


def test_a_cohort_too_large_for_a_worker_goes_on_in_smaller_parts(study, tmp_path):
    study.with_name("large").touch()
    told = []
    whole = load(study).with_({"axes": {"batch_size": [8], "learning_rate": [0.1, 0.01]}})
    result = fallline.launch(whole, tmp_path / "run", executor="local").collect(on_message=told.append)
    assert told == ["relaunched what was left of 2 jobs: the memory ran out, so it is planned in smaller parts"]
    assert set(result.trials["trial"]) == {trial.name for trial in whole.trials()}
    first, second = result.records.plan["rounds"]
    assert [len(cohort["blocks"]) for cohort in first["cohorts"]] == [0]
    assert [block["name"] for cohort in second["cohorts"] for block in cohort["blocks"]] == [
        "r2-c000a-b000",
        "r2-c000b-b000",
    ]


def test_two_workers_on_one_cohort_do_no_harm(study, tmp_path, two_undisturbed):
    fallline.launch(load(study, TWO), tmp_path / "run", executor="local", dry=True)
    command = [sys.executable, "-m", "fallline", "work", str(tmp_path / "run/plan.json")]
    workers = [subprocess.Popen([*command, place], stdout=subprocess.DEVNULL) for place in ("0", "0", "1")]
    assert [worker.wait(120) for worker in workers] == [0, 0, 0]
    fallline.launch(load(study, TWO), tmp_path / "run", executor="local").collect()  # nothing is left: it finishes
    assert_same_records(two_undisturbed, tmp_path / "run")


def test_a_worker_that_is_warned_says_that_it_is_to_be_continued(study, tmp_path):
    study.with_name("hold").touch()
    fallline.launch(load(study, TWO), tmp_path / "run", executor="local", dry=True)
    command = [sys.executable, "-m", "fallline", "work", str(tmp_path / "run/plan.json"), "0"]
    worker = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    wait_for(lambda: chunks(study) > 2)
    worker.send_signal(signal.SIGUSR1)
    assert worker.wait(60) == 75 and len(list((tmp_path / "run/checkpoints").glob("*.npz"))) == 1


def test_a_node_of_slurm_that_dies_loses_nothing(slurm, study, tmp_path, two_undisturbed):  # noqa: F811
    hold = study.with_name("hold")
    hold.touch()
    jobs = OverSlurm().launch(study, tmp_path / "run", TWO, {"sbatch": ("--exclusive",)})
    wait_for(lambda: len(list((tmp_path / "run/checkpoints").glob("*.npz"))) == 2)
    node = states(tmp_path / "run")[0]["where"].split(" on ")[1].split(",")[0]
    slurm.kill_node(node)
    hold.unlink()
    jobs.collect()
    slurm.start_node(node)
    assert [row["attempts"] for row in states(tmp_path / "run").values()] == [2, 1]
    assert_same_records(two_undisturbed, tmp_path / "run")


def test_a_job_of_slurm_past_its_time_is_continued_in_another_turn(slurm, study, tmp_path, two_undisturbed):  # noqa: F811
    """Slurm looks at time limits every 30 s, so it warns 15 to 45 s after a job began; a cohort on hold takes 60."""
    hold = study.with_name("hold")
    hold.touch()
    jobs = OverSlurm().launch(study, tmp_path / "run", TWO, {"time": "2", "warn": 75})
    wait_for(lambda: continued(tmp_path / "run") == {0, 1})
    hold.unlink()
    jobs.collect()
    assert min(row["attempts"] for row in states(tmp_path / "run").values()) >= 2
    assert_same_records(two_undisturbed, tmp_path / "run")


GROUP = """#!{python}
import os, sys, time
print(os.environ["FALLLINE_PROCESS"], "of", os.environ["FALLLINE_PROCESSES"], os.environ["SLURMD_NODENAME"],
      os.environ["FALLLINE_COORDINATOR"].split(":")[0], *sys.argv[-2:], flush=True)
if os.environ["FALLLINE_PROCESS"] == "1":
    time.sleep(1)
    sys.exit(7)
time.sleep(600)
"""


def test_a_job_whose_script_is_killed_is_launched_anew(slurm, study, tmp_path, two_undisturbed):  # noqa: F811
    """Slurm takes it for failed and nobody is left to put it back into the queue: the command that waits does."""
    hold = study.with_name("hold")
    hold.touch()
    told = []
    jobs = OverSlurm().launch(study, tmp_path / "run", TWO)
    wait_for(lambda: len(list((tmp_path / "run/checkpoints").glob("*.npz"))) == 2)
    pull_the_plug(slurm.processes())
    hold.unlink()
    jobs.collect(on_message=told.append)
    assert told == ["relaunched what was left of 2 jobs: it ended without a word of its worker"]
    assert words(tmp_path / "run") == ["done"]
    assert_same_records(two_undisturbed, tmp_path / "run")


def test_a_group_over_two_nodes_of_slurm_ends_together_and_says_why(slurm, study, tmp_path):  # noqa: F811
    stub = tmp_path / "python"
    stub.write_text(GROUP.format(python=sys.executable))
    stub.chmod(0o755)
    options = {"python": str(stub), "sbatch": ["--no-requeue"]}
    jobs = OverSlurm().launch(study, tmp_path / "run", TWO[:1], options, processes=2, devices="data=2")
    with pytest.raises(JobsError, match=r"cohort 0 failed: .*exit code \d+:0; .*task 1: Exited with exit code 7"):
        jobs.collect()
    told = set((tmp_path / "run/launches/001/logs/0.log").read_text().splitlines())
    plan = str(tmp_path / "run/plan.json")
    assert {f"0 of 2 n1 127.0.0.1 {plan} 0", f"1 of 2 n2 127.0.0.1 {plan} 0"} <= told


def test_a_node_of_ray_that_dies_loses_nothing(ray_cluster, study, tmp_path, two_undisturbed):  # noqa: F811
    hold = study.with_name("hold")
    hold.touch()
    jobs = OverRay(ray_cluster).launch(study, tmp_path / "run", TWO)
    wait_for(lambda: len(list((tmp_path / "run/checkpoints").glob("*.npz"))) == 2)
    ray_cluster.kill_node("127.0.0.3")
    hold.unlink()
    jobs.collect()
    assert sorted(row["attempts"] for row in states(tmp_path / "run").values()) == [1, 2]
    assert_same_records(two_undisturbed, tmp_path / "run")
    ray_cluster.start_node("127.0.0.3")
    wait_for(lambda: ray_cluster.size() == 2)
