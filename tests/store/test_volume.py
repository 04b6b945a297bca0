"""Many trials and many points: files, writes, memory and what a page holds are counted; seconds are the benchmark's."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from volume_folders import Folder, line_study, write_folder  # noqa: E402

import fallline  # noqa: E402
from fallline import Study, open_run  # noqa: E402
from fallline.metrics.per_class import confusion, macro, macros  # noqa: E402
from fallline.report.figures import drawn, specs, thin  # noqa: E402
from fallline.report.figures.curves import MOST_POINTS, POINTS  # noqa: E402
from fallline.store import run as reading  # noqa: E402
from fallline.study import Figure  # noqa: E402
from fallline.study.plan import plan  # noqa: E402

STEPS, TRIALS = 1500, 100


def small_study(**fields):
    return Study(
        name="small",
        task="line",
        metric="final_train_loss",
        seeds=4,
        base={"batch_size": 2, "steps": 100},
        axes={"optimizer": ["adam", "gradient_descent"], "learning_rate": [0.01, 1.0]},
        **fields,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run folder of 150,000 points in 10 blocks."""
    path = tmp_path_factory.mktemp("volume") / "run"
    write_folder(path, Folder("small", TRIALS, STEPS, 10))
    return path


def test_a_study_of_2000_trials_is_named_once_planned_once_and_kept_in_few_files(tmp_path, monkeypatch):
    """Each trial is hashed once a start, the plan written twice, and a block leaves as many files as one of ten."""
    from fallline.study import trial as naming

    written, hashed = Counter(), Counter()
    real_write, real_digest = reading_files().write_atomically, naming.digest
    monkeypatch.setattr(
        reading_files(),
        "write_atomically",
        lambda path, write, lasting=True: (
            written.update([path.parent.name, path.name]),
            real_write(path, write, lasting),
        )[1],
    )
    monkeypatch.setattr(naming, "digest", lambda plain: (hashed.update(["all"]), real_digest(plain))[1])
    study = line_study(2000).with_({"base": {"steps": 20}})
    result = fallline.run(study, tmp_path / "run")
    assert result.records.trials.height == 2000 and result.records.trials["trial"].n_unique() == 2000
    assert hashed["all"] <= 2000 + 10
    assert written["plan.json"] <= 2
    blocks = len(result.records.paths.done_blocks())
    assert blocks <= 8
    assert sum(1 for path in (tmp_path / "run").rglob("*") if path.is_file()) <= 5 * blocks + 10
    written.clear()
    hashed.clear()
    fallline.run(study, tmp_path / "run")
    assert not written, "nothing is new, so nothing is written"
    assert hashed["all"] <= 2000 + 10


def reading_files():
    from fallline.store import files

    return files


def test_no_block_records_more_than_memory_takes_and_every_trial_is_in_one(tmp_path, monkeypatch):
    """Lanes and seeds of a block shrink where steps are many."""
    from fallline.training import cohort

    monkeypatch.setattr("fallline.study.plan.MOST_POINTS", 250)
    monkeypatch.setattr(cohort, "MOST_POINTS", 250)
    study = small_study()
    assert [planned.lanes for planned in plan(study.trials())] == [2, 2]
    records = fallline.run(study, tmp_path / "run").records
    sizes = [records.paths.curves(block) for block in records.paths.done_blocks()]
    assert max(pl.read_parquet(path).height for path in sizes) <= 250
    assert sorted(records.trials["trial"]) == sorted(trial.name for trial in study.trials())


STOPPED = Study(
    name="small",
    task="mnist-softmax",
    metric="validation_accuracy",
    seeds=2,
    evaluate_every=3,
    record_every=5,
    base={"batch_size": 20, "steps": 39, "early_stop": 2},
    axes={"optimizer": ["adam", "gradient_descent"], "learning_rate": [0.01, 1e30]},
)


@pytest.mark.parametrize(("study", "ends"), [(small_study(), "diverged"), (STOPPED, "stopped")])
def test_curves_written_piece_by_piece_are_those_written_at_once(study, ends, tmp_path, monkeypatch):
    """Bit for bit, of lanes that ended too, and with looks between the recorded steps."""
    whole = fallline.run(study, tmp_path / "whole").records
    monkeypatch.setattr("fallline.training.records.MOST_ROWS", 30)
    pieces = fallline.run(study, tmp_path / "pieces").records
    assert set(whole.trials["status"]) == {ends, "done"}
    for name in ("fold_trials", "fold_curves"):
        first, second = (getattr(run, name).lazy().collect() for run in (whole, pieces))
        assert first.equals(second, null_equal=True)
    if ends == "stopped":
        steps = whole.curves.filter(pl.col("train_loss").is_null()).collect()
        assert {3, 6, 9} <= set(steps["step"])


def test_the_means_over_classes_of_many_trials_are_those_of_each(monkeypatch):
    generator = np.random.default_rng(5)
    labels, predicted = generator.choice([0, 1, 2, 4], 200), generator.integers(0, 5, (7, 200)).astype(np.uint16)
    monkeypatch.setattr("fallline.metrics.per_class.MOST_PLACES", 450)
    each = np.array([macro(confusion(labels, row, 5)) for row in predicted])
    assert (macros(labels, predicted, 5) == each).all()


def test_mistakes_are_counted_as_one_by_one():
    from fallline.training.predictions import _counted

    generator = np.random.default_rng(6)
    rows = generator.integers(0, 4, (9, 30)).astype(np.uint16)
    expected = np.zeros((30, 4), int)
    for row in rows:
        for example, given in enumerate(row):
            expected[example, given] += 1
    assert (_counted(pl.Series(rows.tolist(), dtype=pl.List(pl.UInt16)), 30, 4) == expected).all()


def test_the_curves_of_some_trials_are_read_from_their_files_alone(folder, monkeypatch):
    run = open_run(folder).records
    every = run.curves.collect()
    opened = []
    real = reading._scanned
    monkeypatch.setattr(reading, "_scanned", lambda files: (opened.append(files), real(files))[1])
    wanted = run.trials.select("trial", mark="learning_rate").slice(38, 4)
    found = run.curves_of(wanted).collect().sort("trial", "step")
    assert [file.stem for file in opened[-1]] == ["r1-c000-b003", "r1-c000-b004"]
    expected = every.join(wanted, on="trial").sort("trial", "step")
    assert found.select(expected.columns).equals(expected, null_equal=True)
    assert run.curves_of(wanted.clear()).collect().is_empty()


def test_lazy_curves_are_the_eager_ones(folder):
    result = open_run(folder)
    lazy = result.scan_curves()
    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect(engine="streaming").sort("trial", "step").equals(result.curves.sort("trial", "step"))


def test_a_figure_of_many_points_read_some_at_a_time_is_the_figure_of_all(folder, monkeypatch):
    run = open_run(folder).records
    whole = {name: drawn(run, spec, name).frame for name, spec in specs(run).items()}
    monkeypatch.setattr(thin, "MOST_ROWS", 20_000)
    assert len(list(thin.at_a_time(run, run.trials.with_columns(configuration=pl.int_range(pl.len()) // 10)))) > 3
    for name, spec in specs(run).items():
        frame = drawn(open_run(folder).records, spec, name).frame
        keys = [key for key in ("what", "configuration", "patience", "step") if key in frame.columns]
        assert_frame_equal(whole[name].sort(keys), frame.sort(keys), check_exact=False, rel_tol=1e-12)


def test_thinned_curves_keep_peaks_ends_and_where_they_diverge(folder):
    """Against all points of a line: its lowest, its highest, its first and its last."""
    run = open_run(folder).records
    spec = Figure(kind="curves", metric="train_loss", where={"optimizer": "adam", "seed": 3}, scale="linear")
    trials = run.trials.filter(optimizer="adam", seed=3)
    trials = trials.with_columns(
        configuration=pl.int_range(pl.len(), dtype=pl.UInt32), diverged=pl.col("status") == "diverged"
    )
    found = thin.thin_curves(run, trials, spec.metric, None, 60)
    every = run.curves_of(trials.select("trial", "configuration")).collect()
    assert every.height > 1000 and trials["diverged"].any()
    for (configuration,), line in every.sort("step").group_by("configuration"):
        own = found.filter(configuration=configuration).sort("step")
        assert own.height <= 60
        assert own["value"].min() == pytest.approx(line["train_loss"].min(), rel=1e-6)
        assert own["value"].max() == pytest.approx(line["train_loss"].max(), rel=1e-6)
        assert (own["step"][0], own["step"][-1]) == (line["step"][0], line["step"][-1])
        assert own["recorded"][0] == line.height


def test_a_page_holds_few_points_and_says_that_curves_were_thinned(folder):
    run = open_run(folder).records
    for name, spec in specs(run).items():
        made = drawn(run, spec, name)
        assert made.frame.height <= max(POINTS, 2 * MOST_POINTS * TRIALS // 10)
        if made.frame.height and spec.kind == "curves" and spec.metric == "train_loss":
            assert "running mean" in made.caption or "points per line" in made.caption
    page = open_run(folder).report()
    assert page.stat().st_size < 3_000_000


def test_an_export_reads_some_trials_at_a_time_and_gives_the_same_points(folder, monkeypatch):
    from fallline.exporting import points

    run = open_run(folder).records
    whole = dict(points.curves_of_trials(run, 20))
    monkeypatch.setattr(points, "MOST_ROWS", 3000)
    pieces = dict(points.curves_of_trials(run, 20))
    assert list(whole) == list(pieces) and len(whole) == TRIALS
    assert all(whole[trial].equals(pieces[trial]) for trial in whole)
    assert max(own.group_by("metric").len()["len"].max() for own in whole.values()) == 20


MEMORY = """
import resource, sys
from fallline import Study, run
from fallline.study import plan
from fallline.training import cohort, records
plan.MOST_POINTS = cohort.MOST_POINTS = 400_000
records.MOST_ROWS = 50_000
steps = int(sys.argv[2])
run(Study(name="memory", task="line", seeds=4, metric="final_train_loss", base={"batch_size": "all", "steps": steps},
          axes={"optimizer": ["adam"], "learning_rate": [0.001 * (1 + n) for n in range(100)]}), sys.argv[1])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_the_memory_of_a_run_hangs_on_its_blocks_and_not_on_its_points(tmp_path):
    """Four million points take hardly more than four hundred thousand: whole they would be 400 MB more."""
    peaks = []
    for steps in (1_000, 10_000):
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, str(tmp_path / str(steps)), str(steps)],
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(int(done.stdout.split()[-1]) / 1024)
    rows = pl.scan_parquet(tmp_path / "10000" / "curves" / "*.parquet").select(pl.len()).collect().item()
    assert rows == 400 * 10_001
    assert peaks[1] - peaks[0] < 150


def test_the_benchmark_of_volume_counts_what_is_outside_training():
    from volume import _goals, folders, table

    assert {folder.points for folder in folders(100_000_000)} == {100_000_000}
    row = {"seconds": 10.0, "training_seconds": 4.0, "processor_seconds": 9.0, "peak_bytes": 5e8}
    work = {"trials": 1000, "stages": dict.fromkeys(("expand", "half", "report"), row)}
    assert _goals(work)[0].startswith("18.00 of 5 ms a trial")
    results = {
        "machine": {
            "processor": "a",
            "cores": 2,
            "memory_bytes": None,
            "jax": "1",
            "fallline": "1",
            "started": "2026-05-11",
            "python": "3",
            "platform": "x",
        },
        "works": {"line": work},
    }
    assert "line: 1,000 trials" in table(json.loads(json.dumps(results)))
