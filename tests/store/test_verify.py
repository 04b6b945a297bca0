"""Whether a run folder is whole: whatever is wrong is found with its remedy, and a repair makes --resume heal it."""

import json
import os
import random
import shutil
import socket

import polars as pl
import pytest

import fallline
from fallline.errors import FalllineError, StoreError
from fallline.report.sections.environment import environment_blocks
from fallline.store.files import write_text
from faulty import TASK, copied, records, small_blocks, study

BLOCK = "r1-c000-b001"
OF_BLOCK = {kind: f"{kind}/{BLOCK}.parquet" for kind in ("trials", "curves", "predictions", "weights")}
TEXTS = [
    "study.toml",
    "plan.json",
    f"timings/{BLOCK}.json",
    "claims.json",
    "test_reads.json",
    "sums.json",
    "environments/000.json",
]
GONE = [
    *OF_BLOCK.values(),
    "study.toml",
    "plan.json",
    f"timings/{BLOCK}.json",
    "claims.json",
    "mistakes.parquet",
    "answers",
]
DAMAGE = {
    "empty": lambda content: b"",
    "torn": lambda content: content[: len(content) // 2],
    "foreign": lambda content: b"\x89PNG\r\n\x1a\n" + bytes(64),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished run of three blocks, its test values read."""
    folder = tmp_path_factory.mktemp("verify") / "whole"
    with pytest.MonkeyPatch.context() as patch:
        small_blocks(patch)
        fallline.run(study(), folder).trials_with_test()
    return folder


@pytest.fixture
def run(whole, tmp_path, monkeypatch):
    small_blocks(monkeypatch)
    return copied(whole, tmp_path / "run")


def answers(folder):
    return next(folder.glob("answers/*.parquet")).relative_to(folder).as_posix()


def paths_of(found):
    return {finding.path for finding in found.wrong}


def test_a_finished_run_is_sound_and_verifying_writes_nothing(run):
    before = {path: path.read_bytes() for path in run.rglob("*.*")}
    found = fallline.verify(run)
    assert found and not found.findings and (found.done, found.planned, found.trials) == (3, 3, 6)
    assert str(found) == f"{run} is sound: 3 blocks with 6 trials"
    assert fallline.open_run(run).verify()
    assert {path: path.read_bytes() for path in run.rglob("*.*") if path.name != "test_reads.json"} == {
        path: content for path, content in before.items() if path.name != "test_reads.json"
    }


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", [*OF_BLOCK.values(), *TEXTS, "mistakes.parquet", "answers"])
def test_a_torn_empty_or_foreign_file_of_any_kind_is_found(run, name, damage):
    path = run / (answers(run) if name == "answers" else name)
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    found = fallline.verify(run)
    assert path.relative_to(run).as_posix() in paths_of(found) and not found
    assert all(finding.remedy and str(finding).count("\n") == 0 for finding in found.findings)


@pytest.mark.parametrize("name", GONE)
def test_a_file_that_is_gone_is_missed(run, name):
    path = run / (answers(run) if name == "answers" else name)
    path.unlink()
    found = fallline.verify(run)
    assert path.relative_to(run).as_posix() in paths_of(found)
    if name == OF_BLOCK["trials"]:  # the others of its block then wait for it to be trained again
        assert "1 of 3 blocks are still to train" in str(found) and len(found.findings) == 6, str(found)


def test_a_single_bit_that_flipped_is_found_in_every_table(run):
    """Parquet as polars writes it has no checksums: most flips are read as other values."""
    draw = random.Random(1)
    for name in [*OF_BLOCK.values(), "mistakes.parquet", answers(run)]:
        content = (run / name).read_bytes()
        for _ in range(5):
            damaged = bytearray(content)
            bit = draw.randrange(8 * len(damaged))
            damaged[bit // 8] ^= 1 << bit % 8
            (run / name).write_bytes(damaged)
            assert name in paths_of(fallline.verify(run))
        (run / name).write_bytes(content)


@pytest.mark.parametrize("damage", DAMAGE)
def test_after_a_repair_the_run_with_resume_makes_everything_again(run, whole, damage):
    """Every kind of file is damaged at once; one block is left alone, and is not trained again."""
    kept = run / "trials/r1-c000-b002.parquet"
    inode = kept.stat().st_ino
    broken = [path for path in run.rglob("*.*") if "b002" not in path.name and path.suffix != ".npz"]
    for path in broken:
        path.write_bytes(DAMAGE[damage](path.read_bytes()))
    names = {path.relative_to(run).as_posix(): path.read_bytes() for path in broken}
    assert not fallline.verify(run)
    done = fallline.repair_run(run)
    assert done and all(str(run / "damaged") not in line for line in done)
    aside = {
        path.relative_to(run / "damaged/1").as_posix(): path.read_bytes() for path in (run / "damaged").rglob("*.*")
    }
    assert aside.items() >= names.items(), "nothing was deleted"
    fallline.run(study(), run, resume=True)
    found = fallline.verify(run)
    assert found, str(found)
    assert kept.stat().st_ino == inode
    trials = {
        folder: pl.read_parquet(folder / "trials/*.parquet").drop("block", "cohort").sort("trial")
        for folder in (run, whole)
    }
    assert trials[run].equals(trials[whole])
    curves = [pl.read_parquet(folder / "curves/*.parquet").sort("trial", "step") for folder in (run, whole)]
    assert curves[0].equals(curves[1])


@pytest.mark.parametrize("name", [*OF_BLOCK.values(), "mistakes.parquet", "answers"])
def test_one_damaged_table_comes_back_byte_for_byte(run, whole, name):
    path = run / (answers(run) if name == "answers" else name)
    path.write_bytes(b"PAR1")
    fallline.repair_run(run)
    fallline.run(study(), run, resume=True)
    assert records(run) == records(whole) and fallline.verify(run)


def test_a_lost_timing_is_written_anew_without_times(run, whole):
    path = run / f"timings/{BLOCK}.json"
    path.write_bytes(b"{")
    fallline.repair_run(run)
    told = json.loads(path.read_text())
    assert told["sha256"] == json.loads((whole / f"timings/{BLOCK}.json").read_text())["sha256"]
    assert "steady_seconds" not in told and (told["lanes"], told["seeds"], told["steps"]) == (2, 1, 40)
    assert records(run) == records(whole) and fallline.verify(run)
    assert fallline.open_run(run).records.timings["steady_seconds"].null_count() == 1


def without_sums(run):
    """As an older version wrote it: files are judged by what they say alone."""
    for path in run.glob("timings/*.json"):
        timing = json.loads(path.read_text())
        del timing["sha256"]
        path.write_text(json.dumps(timing))
    (run / "sums.json").unlink()


def rewrite(path, change):
    change(pl.read_parquet(path)).write_parquet(path)


@pytest.mark.parametrize(
    "kind, change, said",
    [
        ("curves", lambda f: f.filter(pl.col("trial") != f["trial"][0]), "curves of 1 trials are missing"),
        ("curves", lambda f: pl.concat([f, f.head(1)]), "have a step twice"),
        ("curves", lambda f: f.filter(pl.col("step") > 0), "do not begin at step 0"),
        ("curves", lambda f: f.filter(pl.col("step") < 40), "do not end where the trials did"),
        ("curves", lambda f: f.filter((pl.col("step") != 7) | (pl.col("trial") != f["trial"][0])), "fewer points"),
        ("curves", lambda f: f.with_columns(pl.col("train_loss") + 1), "end at another loss"),
        ("curves", lambda f: f.with_columns(trial=pl.lit("f" * 16)), "of trials that are not of the block"),
        ("curves", lambda f: f.rename({"step": "stpe"}), "no table of curves"),
        ("trials", lambda f: f.with_columns(block=pl.lit("r9")), "of another block: r9"),
        ("trials", lambda f: pl.concat([f, f.head(1)]), "there twice"),
        ("trials", lambda f: f.head(1), "not those of the plan"),
        ("trials", lambda f: f.drop("status"), "no table of trials"),
        ("predictions", lambda f: f.filter(pl.col("trial") != f["trial"][0]), "not those of the block"),
        ("weights", lambda f: f.head(0), "not those of the block"),
    ],
)
def test_files_of_a_block_must_fit_together_where_there_are_no_checksums(run, kind, change, said):
    without_sums(run)
    assert fallline.verify(run)
    rewrite(run / OF_BLOCK[kind], change)
    found = fallline.verify(run)
    assert any(said in finding.wrong for finding in found.wrong), str(found)
    assert {finding.block for finding in found.wrong} == {BLOCK}


def test_predictions_that_are_gone_are_missed_without_checksums_too(run):
    without_sums(run)
    (run / OF_BLOCK["predictions"]).unlink()
    assert paths_of(fallline.verify(run)) == {OF_BLOCK["predictions"]}


def test_labels_of_other_examples_are_found(run):
    without_sums(run)
    rewrite(run / answers(run), lambda f: f.with_columns(pl.col("labels").list.head(3)))
    assert "other examples than the predictions" in str(fallline.verify(run))


def test_trials_that_are_there_twice_are_told_and_trained_once(run, whole):
    for kind, name in OF_BLOCK.items():
        copy = run / name.replace("b001", "b007")
        shutil.copy(run / name, copy)
        if kind == "trials":
            rewrite(copy, lambda f: f.with_columns(block=pl.lit("r1-c000-b007")))
    found = fallline.verify(run)
    assert "2 of its 2 trials have records in r1-c000-b001 too" in str(found)
    fallline.repair_run(run)
    fallline.run(study(), run, resume=True)
    assert records(run) == records(whole) and fallline.verify(run)


def test_what_belongs_to_no_block_is_found(run):
    strays = [
        "trials/notes.txt",
        "curves/r7-c000-b000.parquet",
        "checkpoints/r1-c000-b000.npz",
        "checkpoints/r8-c000-b000.npz",
        "environments/old.json~",
        "trials/a b.parquet",
        "trials/.r1-c000-b000.parquet.abcd1234",
    ]
    (run / "checkpoints").mkdir()
    for name in strays:
        (run / name).write_bytes(b"x")
    assert paths_of(fallline.verify(run)) == set(strays)
    fallline.repair_run(run)
    assert fallline.verify(run) and not any((run / name).exists() for name in strays)


OTHER_JSON = [
    "[]",
    "{}",
    "3",
    "null",
    "[[]]",
    "[{}]",
    '{"a": 1}',
    '{"rounds": 3}',
    '{"block": 3, "sha256": 4}',
    '{"rounds": [{"cohorts": [{"name": "c", "blocks": [{"name": "b"}]}]}]}',
    '[{"hash": 1, "noted": 2, "recorded": "x", "chance": 3}]',
]


@pytest.mark.parametrize("name", [name for name in [*TEXTS, "models.json", "looks.json"] if name.endswith(".json")])
def test_json_of_another_form_is_a_sentence_for_every_reader_and_heals(run, name):
    def told(what):
        try:
            what()
        except FalllineError as failure:
            assert len(str(failure)) < 1000

    for text in OTHER_JSON:
        (run / name).write_text(text)
        told(lambda: fallline.verify(run))
        told(lambda: environment_blocks(fallline.open_run(run).records))
        told(lambda: fallline.open_run(run).summary())
        told(lambda: fallline.open_run(run).claims())
        if text in OTHER_JSON[-3:]:  # what can be made again is, in some turns of mending and running
            told(lambda: fallline.run(study(), run, resume=True))
            fallline.repair_run(run)
            told(lambda: fallline.run(study(), run, resume=True))
            assert fallline.verify(run) or name == "looks.json", str(fallline.verify(run))
        shutil.rmtree(run / "damaged", ignore_errors=True)


def test_a_launch_that_cannot_be_read_is_found(run):
    (run / "launches/001").mkdir(parents=True)
    (run / "launches/001/launch.json").write_text("{")
    assert paths_of(fallline.verify(run)) == {"launches/001"}
    with pytest.raises(StoreError, match=r"launch\.json is not whole JSON"):
        fallline.run(study(), run)
    fallline.repair_run(run)
    fallline.run(study(), run)
    assert fallline.verify(run)


def test_a_block_of_another_study_is_told_apart(run, tmp_path):
    other = fallline.run(study(name="other", seeds=[7], claims=[]), tmp_path / "other").folder
    for kind in OF_BLOCK:
        for path in other.glob(f"{kind}/*.parquet"):
            shutil.copy(path, run / kind / "r5-c000-b000.parquet")
    rewrite(run / "trials/r5-c000-b000.parquet", lambda f: f.with_columns(block=pl.lit("r5-c000-b000")))
    (run / "timings/r5-c000-b000.json").write_text(json.dumps({"block": "r5-c000-b000"}))
    found = fallline.verify(run)
    assert paths_of(found) == {"timings/r5-c000-b000.json"}, "parts of the user's own: their trials are not known"
    text = (run / "study.toml").read_text().replace('task = "dots"', 'task = "line"')
    (run / "study.toml").write_text(text)
    assert "neither the plan nor the study knows 2 of its trials" in str(fallline.verify(run))


def test_a_study_that_was_never_wholly_planned_is_noted(tmp_path):
    fallline.run(
        fallline.Study(
            name="line",
            task="line",
            metric="final_train_loss",
            axes={"learning_rate": [0.1, 0.2]},
            base={"optimizer": "adam", "batch_size": "all", "steps": 3},
        ),
        tmp_path,
    )
    path = tmp_path / "study.toml"
    write_text(path, path.read_text().replace("0.2", "0.3"))
    found = fallline.verify(tmp_path)
    assert found and "1 trials of the study are not planned yet" in str(found)


@pytest.mark.parametrize(
    "owner, wrong, said",
    [
        ({"host": socket.gethostname(), "pid": 2**22 + 1}, True, "was killed or its machine went down"),
        ({"host": socket.gethostname(), "pid": os.getppid()}, False, "a run is under way"),
        ({"host": "elsewhere", "pid": 7}, True, "process 7 on elsewhere holds the folder"),
        ("torn", True, "it is torn"),
    ],
)
def test_a_lock_is_told_with_its_owner(run, owner, wrong, said):
    (run / "lock.json").write_text("" if owner == "torn" else json.dumps(owner))
    found = fallline.verify(run)
    assert said in str(found) and bool(found) != wrong
    if wrong and owner != {"host": "elsewhere", "pid": 7}:
        fallline.repair_run(run)
        assert fallline.verify(run) and not (run / "lock.json").exists()
    else:
        with pytest.raises(StoreError, match="is in use by process"):
            fallline.repair_run(run)


def test_the_command_prints_a_line_each_and_its_code_tells_sound_from_not(cli):
    assert cli("run", "try.toml", "--out", "run", "--no-report")[0] == 0
    assert cli("verify", "run") == (0, "run is sound: 1 block with 4 trials\n", "")
    open("run/curves/r1-c000-b000.parquet", "w").close()
    code, told, _ = cli("verify", "run")
    assert code == 2 and told.splitlines() == [
        "curves/r1-c000-b000.parquet: it is empty; --repair moves the block aside, and the same command with --resume "
        "trains it again",
        "run: 0 of 1 planned blocks done, 4 trials; 1 thing to repair",
        "to repair what can be repaired: fallline verify run --repair",
    ]
    code, told, _ = cli("verify", "run", "--repair")
    assert code == 0 and told.startswith("block r1-c000-b000 is in damaged/1\n")
    assert cli("run", "try.toml", "--out", "run", "--no-report", "--resume")[0] == 0
    assert cli("verify", "run")[0] == 0
    assert cli("verify", ".") == (
        2,
        "",
        "fallline: . is not a run folder: it has no plan.json; a run makes one: fallline run NAME --out .\n",
    )


def test_the_task_of_these_tests_has_every_kind_of_file(whole):
    assert TASK.classes and all((whole / name).is_file() for name in [*OF_BLOCK.values(), *TEXTS, "mistakes.parquet"])
