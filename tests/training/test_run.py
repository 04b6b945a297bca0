"""A run: its folder holds the records, a stopped one goes on bit for bit, a grown study trains only what is new."""

import json
import threading

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import fallline
import fallline.training.block as block
import fallline.training.context as setup
from dots_study import study
from fallline.errors import FalllineWarning, StoreError
from fallline.store.checkpoint import Checkpoints
from fallline.store.paths import RunPaths
from fallline.store.writing import RunWriter


def records(folder):
    result = fallline.open_run(folder)
    timeless = result.trials.drop("block", "cohort").sort("trial")
    return timeless.select(sorted(timeless.columns)), result.curves.sort("trial", "step")


def assert_same_records(one, two):
    for a, b in zip(records(one), records(two), strict=True):
        assert_frame_equal(a, b, check_exact=True, check_column_order=False)


@pytest.fixture
def one_seed_a_block(monkeypatch):
    """Layouts as a large study has them: a block a seed, so that there is something to stop between."""
    monkeypatch.setattr("fallline.engine.layouts.SMALL_WEIGHTS", 0)
    monkeypatch.setenv("FALLLINE_CHECKPOINT_SECONDS", "0")


def test_a_run_leaves_every_record_in_plain_files(tmp_path):
    result = fallline.run(study(target={"metric": "validation_accuracy", "value": 0.5}), tmp_path / "run")
    trials = pl.read_parquet(tmp_path / "run/trials/*.parquet")
    curves = pl.read_parquet(tmp_path / "run/curves/*.parquet")
    assert len(trials) == trials["trial"].n_unique() == 12 and set(trials["status"]) == {"done"}
    assert curves.group_by("trial").len()["len"].to_list() == [41] * 12, "steps 0 to 40"
    looked = curves.drop_nulls("validation_loss")
    assert sorted(set(looked["step"])) == [0, 10, 20, 30, 40]
    last = looked.filter(step=40).join(trials, on="trial", suffix="_final")
    assert (last["validation_loss"] == last["validation_loss_final"]).all()
    best = looked.group_by("trial").agg(pl.col("validation_accuracy").max()).join(trials, on="trial", suffix="_final")
    assert (best["validation_accuracy"] == best["best_validation_accuracy"]).all()
    reached = looked.filter(pl.col("validation_accuracy") >= 0.5).group_by("trial").agg(pl.col("step").min())
    told = trials.select("trial", "steps_to_target").drop_nulls().sort("trial")
    assert told.rows() == reached.sort("trial").rows() and len(told) > 0
    timing = result.records.timings
    assert set(timing["steps"]) == {40} and (timing["trace_seconds"] > 0).all()
    (environment,) = result.records.environments
    assert environment["jax"] and environment["cores"] >= 1
    assert not (tmp_path / "run/lock.json").exists() and not (tmp_path / "run/checkpoints").exists()


def test_a_second_run_of_the_same_study_trains_nothing(tmp_path, monkeypatch):
    fallline.run(study(), tmp_path)
    monkeypatch.setattr(setup, "CompiledCohort", None)
    before = records(tmp_path)
    fallline.run(study(), tmp_path)
    for a, b in zip(before, records(tmp_path), strict=True):
        assert_frame_equal(a, b, check_exact=True)


@pytest.mark.parametrize("grown", [dict(rates=(0.1, 0.01, 0.5)), dict(seeds=5), dict(rates=(0.1, 0.01, 0.5), seeds=4)])
def test_a_study_that_grew_trains_only_what_is_new(tmp_path, grown):
    fallline.run(study(), tmp_path)
    old = set(fallline.open_run(tmp_path).trials["trial"])
    fallline.run(study(**grown), tmp_path)
    result = fallline.open_run(tmp_path)
    assert set(result.trials["trial"]) == {trial.name for trial in study(**grown).trials()}
    new = {
        name
        for cohort in result.records.plan["rounds"][1]["cohorts"]
        for block in cohort["blocks"]
        for name in block["trials"]
    }
    assert new == set(result.trials["trial"]) - old and result.trials["trial"].n_unique() == len(result.trials)


@pytest.mark.parametrize("stop_at", [1, 3, 6])
def test_a_stopped_run_ends_with_the_records_of_one_that_was_not(tmp_path, monkeypatch, one_seed_a_block, stop_at):
    fallline.run(study(), tmp_path / "whole")
    real, paused, lock = block.chunks, [], threading.Lock()

    class Killed(Exception):
        pass

    def dying(program, work, begin=None):
        for pause in real(program, work, begin):
            yield pause  # the block writes its checkpoint here
            with lock:
                paused.append(1)
                if len(paused) >= stop_at:
                    raise Killed

    monkeypatch.setattr(block, "chunks", dying)
    with pytest.raises(Killed):
        fallline.run(study(), tmp_path / "stopped")
    monkeypatch.setattr(block, "chunks", real)
    with pytest.raises(StoreError, match="--resume"):
        fallline.run(study(), tmp_path / "stopped")
    assert len(list((tmp_path / "stopped/checkpoints").glob("*.npz"))) >= 1
    fallline.run(study(), tmp_path / "stopped", resume=True)
    assert_same_records(tmp_path / "whole", tmp_path / "stopped")
    assert not (tmp_path / "stopped/checkpoints").exists()


@pytest.mark.parametrize(
    "damage, why", [(b"", "damaged"), (b"PK\x03\x04 torn", "damaged"), (None, "of another program")]
)
def test_a_damaged_or_foreign_checkpoint_is_as_good_as_none(tmp_path, monkeypatch, one_seed_a_block, damage, why):
    fallline.run(study(), tmp_path / "whole")
    write, done = RunWriter.write_block, []

    def full_disk(writer, *parts):
        if done:
            raise StoreError("the disk is full")
        done.append(parts)
        write(writer, *parts)

    monkeypatch.setattr(RunWriter, "write_block", full_disk)
    with pytest.raises(StoreError, match="disk is full"):
        fallline.run(study(), tmp_path / "run")
    monkeypatch.setattr(RunWriter, "write_block", write)
    for path in (tmp_path / "run/checkpoints").glob("*.npz"):
        if damage is None:
            plan = json.loads((tmp_path / "run/plan.json").read_text())
            trials = next(
                block["trials"]
                for cohort in plan["rounds"][0]["cohorts"]
                for block in cohort["blocks"]
                if block["name"] == path.stem
            )
            Checkpoints(RunPaths(tmp_path / "run"), path.stem, trials).save(
                [np.zeros(3)], {}, {"steps": [], "evaluated": [], "seconds": {}, "steady_steps": 0}
            )
        else:
            path.write_bytes(damage)
    with pytest.warns(FalllineWarning, match="starts again: its checkpoint is " + why):
        fallline.run(study(), tmp_path / "run", resume=True)
    assert_same_records(tmp_path / "whole", tmp_path / "run")


def test_an_unfinished_block_keeps_its_place_when_the_study_grows(tmp_path, monkeypatch, one_seed_a_block):
    fallline.run(study(rates=(0.1, 0.01, 0.5)), tmp_path / "whole")
    real = RunWriter.write_block
    monkeypatch.setattr(RunWriter, "write_block", lambda *parts: (_ for _ in ()).throw(StoreError("stop")))
    with pytest.raises(StoreError, match="stop"):
        fallline.run(study(), tmp_path / "run")
    monkeypatch.setattr(RunWriter, "write_block", real)
    fallline.run(study(rates=(0.1, 0.01, 0.5)), tmp_path / "run", resume=True)
    names = fallline.open_run(tmp_path / "run").trials["trial"]
    assert names.n_unique() == len(names) and set(names) == set(fallline.open_run(tmp_path / "whole").trials["trial"])


def test_a_folder_keeps_one_study_and_one_writer(tmp_path):
    fallline.run(study(), tmp_path)
    with pytest.raises(StoreError, match="holds a run of study dots, not of other"):
        fallline.run(study().with_({"name": "other"}), tmp_path)
    (tmp_path / "lock.json").write_text(json.dumps({"host": "elsewhere", "pid": 1}))
    with pytest.raises(StoreError, match="in use by process 1 on elsewhere"):
        fallline.run(study(), tmp_path)
    (tmp_path / "lock.json").write_text("{torn")
    fallline.run(study(), tmp_path)  # whoever wrote half a lock is dead


def test_a_diverged_trial_has_a_step_and_no_invented_numbers(tmp_path):
    result = fallline.run(study(rates=(3e38, 0.01)), tmp_path)
    lost = result.trials.filter(status="diverged")
    assert len(lost) >= 3 and (lost["diverged_at"] > 0).all()
    assert lost["validation_loss"].null_count() == lost["final_train_loss"].null_count() == len(lost)
    for name, step in lost.select("trial", "diverged_at").rows():
        curve = result.curves.filter(trial=name)
        assert curve["step"].max() == step - 1 and curve["train_loss"].is_finite().all()


def test_lanes_share_batches_of_their_seed(tmp_path):
    result = fallline.run(study(rates=(1e-12, 2e-12), seeds=2, steps=10), tmp_path)
    joined = result.curves.join(result.trials.select("trial", "seed"), on="trial")
    spread = joined.group_by("seed", "step").agg((pl.col("train_loss").max() - pl.col("train_loss").min()).alias("d"))
    assert spread["d"].max() < 1e-5, "without learning, every configuration of a seed sees the same losses"
    by_seed = joined.filter(step=0).group_by("seed").agg(pl.col("train_accuracy").first())
    assert by_seed["train_accuracy"].n_unique() == 2, "and seeds see different batches"
