"""What more devices buy: the law finds the truth it was drawn from, and every figure follows from measured steps."""

import dataclasses
import html
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import fake_scale
import fallline
from fallline.batching import steps_of
from fallline.cli.commands.figures import write_figures
from fallline.contracts import Clock
from fallline.errors import HyperparameterError, StoreError, StudyError, UnknownName
from fallline.report.scaling import Scaled
from fallline.report.scaling.claims import claims_table
from fallline.report.sections.budget import sentence
from fallline.scaling import Law, fit_law, wanted
from fallline.scaling.epochs import EpochTime, budget_times, epoch_times
from fallline.scaling.folder import ScaleFolder
from fallline.scaling.law import Reduce, Step, errors
from fallline.scaling.measure import check_devices
from fallline.scaling.points import Points
from fallline.schedules import check_schedule, find_schedule
from fallline.schedules.scaling import factors
from fallline.study.device_counts import parse_counts
from fallline.tasks import find_task

TRUTH = Law(2e-3, 5e-5, 1 / 8e9, 2e-5, 4.8e6)
LARGER = (32, 128, 512, 2048)
SIZES = fake_scale.SIZES


def steps(law=TRUTH, noise=0.0, counts=(1, 2, 4, 8), sharing=lambda n: 1.0):
    drawn = np.random.default_rng(0)
    return [
        Step(n, b / n, sharing(n), law.step(n, b, sharing(n)) * (1 + noise * drawn.standard_normal()))
        for n in counts
        for b in LARGER
    ]


def reduces(law=TRUTH, counts=(2, 4, 8)):
    return [Reduce(n, size, law.communication(n, size)) for n in counts for size in (1024, law.bytes)]


def test_the_law_finds_the_truth_it_was_drawn_from():
    for sharing in (lambda n: 1.0, lambda n: 0.7 + 0.3 * n):
        found = fit_law(steps(sharing=sharing), reduces(), TRUTH.bytes)
        for part in ("overhead", "an_example", "a_byte", "a_hop"):
            assert getattr(found, part) == pytest.approx(getattr(TRUTH, part), rel=1e-6), part


def test_steps_alone_are_enough_and_noise_moves_the_law_little():
    found = fit_law(steps(noise=0.02), [], TRUTH.bytes)
    for n, b in ((16, 512), (64, 4096)):
        assert found.step(n, b) == pytest.approx(TRUTH.step(n, b), rel=0.15)


def test_no_part_of_the_law_is_ever_below_zero():
    found = fit_law([Step(1, l, 1.0, 1e-3 - 1e-7 * l) for l in (1, 10, 100)], [], 1e6)
    assert min(found.overhead, found.an_example, found.a_byte, found.a_hop) >= 0


def test_the_batch_from_which_more_devices_pay_is_where_the_two_times_are_equal():
    for n in (2, 4, 64):
        batch = TRUTH.pays_from(n)
        assert TRUTH.step(n, batch) == pytest.approx(TRUTH.step(1, batch))
        half = TRUTH.efficient_from(n, 0.5)
        assert TRUTH.step(1, half) / TRUTH.step(n, half) == pytest.approx(n / 2)
    assert Law(1e-3, 0.0, 1e-9, 0.0, 1e6).pays_from(2) is None, "where an example costs nothing, nothing is gained"


def test_errors_are_of_points_that_were_held_out():
    exact = errors(steps(), reduces(), TRUTH.bytes)
    assert exact["error"].abs().max() < 1e-6
    assert set(exact["left_out"]) == {"each", "largest count"}
    assert set(exact.filter(left_out="largest count")["devices"]) == {8}
    bent = [one._replace(seconds=one.seconds * 2) if one.devices == 8 else one for one in steps()]
    held = errors(bent, reduces(counts=(2, 4)), TRUTH.bytes).filter(left_out="largest count")
    assert held["error"].to_list() == pytest.approx([-0.5] * len(held), abs=1e-6), "what it never saw, it misses"
    assert errors(steps()[:2], [], 1e6).is_empty(), "too few points tell no error"


@pytest.mark.parametrize(
    "written, word",
    [
        ("0", ">= 1"),
        ("two", "got 'two'"),
        ("2x0", ">= 1"),
        ("", "got ''"),
        ("-1", "got '-1'"),
        ("9999999", "at most"),
        ("1.5", "got '1.5'"),
        ("2x2x2", "got '2x2x2'"),
    ],
)
def test_what_is_no_count_of_devices_is_told(written, word):
    with pytest.raises(HyperparameterError) as told:
        parse_counts(written)
    assert word in str(told.value) and "\n" not in str(told.value)


def test_counts_are_each_once_and_one_device_is_always_there():
    assert [one.text for one in parse_counts("4,2x3,2,4,2x1")] == ["1", "2", "4", "2x1", "2x3"]
    assert [one.total for one in parse_counts([2, "2x3"])] == [1, 2, 6]


# What follows from measured steps.


@pytest.mark.parametrize("total", [2, 3, 4, 6])
def test_everything_that_is_told_apart_is_measured(total):
    counts = parse_counts([total])
    one, many = (wanted(count, counts, SIZES) for count in counts)
    for split in (program for program in many if program.what == "data"):
        assert split.width % total == 0 and split.width >= split.batch
        assert any(side.what == "trial" and side.width == split.width // total for side in many), "compute at once"
        assert any(alone.width == split.width // total for alone in one), "compute alone"
    assert {size for size in SIZES} <= {alone.width for alone in one}
    assert len({(program.what, program.width) for program in many}) == len(many), "each once"


def test_speed_up_and_where_a_step_goes_are_those_of_the_truth():
    found = fake_scale.points(TRUTH, sharing=lambda n: 1 + 0.1 * (n - 1), idle=1e-4)
    for row in found.parts.iter_rows(named=True):
        n, local = row["devices"], row["local"]
        assert row["compute"] == pytest.approx(TRUTH.compute(local))
        assert row["sharing"] == pytest.approx(0.1 * (n - 1) * TRUTH.compute(local))
        assert row["communication"] == pytest.approx(TRUTH.communication(n))
        assert row["rest"] == pytest.approx(1e-4)
    plain = fake_scale.points(TRUTH)
    for row in plain.axes.iter_rows(named=True):
        n, batch = row["devices"], row["batch"]
        expected = {
            "strong": TRUTH.step(1, batch) / TRUTH.step(n, batch),
            "both": n,
            "weak": n * TRUTH.step(1, batch) / TRUTH.step(n, n * batch),
        }[row["scaling"]]
        assert row["speed_up"] == pytest.approx(expected) and row["efficiency"] == pytest.approx(expected / n)
        assert row["speed_up_low"] < expected < row["speed_up_high"]
    assert plain.law.step(64, 4096) == pytest.approx(TRUTH.step(64, 4096))
    assert plain.errors["error"].abs().max() < 1e-6


def test_hosts_have_a_law_of_their_own_links():
    far = dataclasses.replace(TRUTH, a_byte=1e-8, a_hop=1e-3)
    near = fake_scale.rows(TRUTH, devices="1,2,4")
    across = fake_scale.rows(far, devices="2x1,2x2").filter(pl.col("hosts") > 1)
    found = Points(pl.concat([near, across]), SIZES, int(TRUTH.bytes))
    assert found.law.a_hop == pytest.approx(TRUTH.a_hop) and found.law_across.a_hop == pytest.approx(far.a_hop)
    assert found.law_across.overhead == pytest.approx(TRUTH.overhead)


def test_an_epoch_takes_its_steps_times_the_seconds_of_one():
    found = fake_scale.points(TRUTH)
    growing = EpochTime("30 + 10*epoch", ((32, 10.0), (80, 4.0), (512, 1.0)), 3.0)
    same = EpochTime("128", ((128, 7.5),), 40.0)
    times = epoch_times(found, [growing, same])
    row = times.row(
        by_predicate=(pl.col("batch") == "30 + 10*epoch")
        & (pl.col("count") == "4")
        & (pl.col("scaling") == "strong")
        & (pl.col("epoch") == 1),
        named=True,
    )
    assert row["seconds"] == pytest.approx(4 * TRUTH.step(4, 80)) and row["measured"], "the law is a line in the batch"
    assert row["difference"] == pytest.approx(4 * (TRUTH.step(4, 80) - TRUTH.step(1, 80)))
    budget = budget_times(times, [growing, same]).row(
        by_predicate=(pl.col("batch") == "128") & (pl.col("count") == "4") & (pl.col("scaling") == "weak"), named=True
    )
    assert budget["steps"] == pytest.approx(40 * 7.5 / 4)
    assert budget["seconds"] == pytest.approx(40 * 7.5 / 4 * TRUTH.step(4, 512))


# What is said of it.


def scaled(folder, law, platform="gpu", cores=16, **how):
    """A measurement of that truth in a folder, as one of the built-in study."""
    study = fallline.load_study("workers/scaling")
    facts = {
        "study": study.name,
        "identity": "x",
        "data": "full",
        "sizes": list(how.get("sizes", SIZES)),
        "bytes": int(law.bytes),
        "weights": int(law.bytes) // 4,
        "examples": 60_000,
        "platform": platform,
        "device": "a device",
        "cores": cores,
        "measured": "2026-01-01",
        "environments": [],
        "paces": [{"batch": "128", "epochs": [[128, 468.75]], "whole": 40.0}],
    }
    ScaleFolder(folder).write(study, facts, fake_scale.rows(law, **how))
    return Scaled.open(folder)


def test_the_first_sentence_says_whether_to_use_4_gpus_and_for_what(tmp_path):
    slow = dataclasses.replace(TRUTH, overhead=8e-3, a_hop=1e-3)
    said = scaled(tmp_path / "slow", slow).sentence
    assert said.startswith("Use 4 GPUs for parallel trials") and "not for one batch of 128" in said
    fast = Law(0.0, 1e-4, 1e-13, 1e-9, 1e6)
    assert scaled(tmp_path / "fast", fast).sentence.startswith(
        "Use 4 GPUs for parallel trials, larger batches (128 each) and one batch of 128: "
    )
    crowded = scaled(tmp_path / "crowded", slow, sharing=lambda n: float(n)).sentence
    assert crowded.startswith("Do not use 4 GPUs for this")


def test_devices_that_share_cores_are_told_of_and_judge_no_claim(tmp_path):
    found = scaled(tmp_path, TRUTH, platform="cpu", cores=2, sharing=lambda n: float(n))
    assert "4 devices share one CPU with its 2 cores, more devices than cores" in found.sentences[1]
    assert "by the model fitted here" in found.sentence and "4.0 times" in found.sentence, (
        "the law leaves the sharing out"
    )
    assert set(claims_table(found)["verdict"]) == {"not judged: the devices share one CPU", "not judged: not measured"}


def test_claims_on_time_are_judged_by_the_whole_range(tmp_path):
    fast, slow = Law(0.0, 1e-4, 1e-13, 1e-9, 1e6), Law(1e-2, 1e-6, 1e-13, 1e-9, 1e6)
    two, four, hosts = claims_table(scaled(tmp_path / "fast", fast))["verdict"]
    assert (two, four, hosts) == ("refuted", "supported", "not judged: not measured")
    even = Law(1e-2, 1e-2 / 128, 1e-13, 1e-9, 1e6)
    edge = scaled(tmp_path / "edge", even, sharing=lambda n: n / 1.5 if n == 2 else 1.0)
    assert claims_table(edge)["verdict"][0] == "undecided", "1.5 lies within the range"
    assert claims_table(scaled(tmp_path / "slow", slow))["verdict"][0] == "refuted"


def test_the_page_holds_what_it_says_and_can_be_made_again(tmp_path, capsys):
    found = scaled(tmp_path, TRUTH)
    page = found.report()
    text = page.read_text(encoding="utf-8")
    assert (
        found.sentence in html.unescape(text)
        and "40 epochs of 60,000 examples in batches of 128 by 1 worker are 18,750 steps" in text
    )
    assert "7 min 36 s the budget" in text, "what was reported stands beside ours"
    assert not (page.parent / "figures").exists()
    assert {path.name for path in found.figures(formats=["svg"])} == {
        "speed-up.svg",
        "where-a-step-goes.svg",
        "by-the-law.svg",
    }
    write_figures(tmp_path, ["by-the-law"], "svg", tmp_path / "own")
    assert capsys.readouterr().out == f"{tmp_path / 'own' / 'by-the-law.svg'}\n"
    again = Scaled.open(tmp_path)
    assert again.report(tmp_path / "again.html").read_text(encoding="utf-8") == text
    assert str(again).startswith(found.sentence)


# Measuring.

TINY = {"batch_sizes": [16], "repeats": 1, "seconds": 0.01}


def test_counts_of_devices_are_measured_once_each_and_added_to(tmp_path):
    study = fallline.load_study("softmax/optimizers").preset("quick")
    told = []
    first = fallline.measure_scaling(study, [1, 2], tmp_path, on_message=told.append, **TINY)
    assert told == ["1 device: timing 2 programs, 1 times each", "2 devices: timing 4 programs, 1 times each"]
    kinds = first.points.group_by("count", "what").len().sort("count", "what").rows()
    assert kinds == [("1", "alone", 2), ("2", "all-reduce", 2), ("2", "data", 1), ("2", "trial", 2)]
    assert first.measured.bytes == 4 * 7850 and first.facts["cores"] >= 1
    more = fallline.measure_scaling(study, "1,2,2x1", tmp_path, on_message=told.append, **TINY)
    assert told[2:] == ["2 hosts of 1: timing 4 programs, 1 times each"], "what is there is not measured again"
    assert more.points.filter(hosts=2)["devices"].unique().to_list() == [2] and more.points["seconds"].min() > 0
    with pytest.raises(StoreError, match="other batch sizes"):
        fallline.measure_scaling(study, [1, 2], tmp_path, batch_sizes=[8], repeats=1)


@pytest.mark.parametrize(
    "options, words",
    [
        (["--devices", "0"], "a whole number >= 1"),
        (["--devices", "trial=2"], "got 'trial=2'"),
        (["--devices", "512"], "at most 256 devices"),
        (["--batches", "9999"], "larger than the data: 4,000 examples"),
        (["--batches", "1.5"], "whole numbers"),
        (["--set", "scale={devices=['x']}"], "got 'x'"),
    ],
)
def test_what_cannot_be_measured_is_one_screen_and_nothing_is_started(cli, options, words):
    code, out, error = cli("scale", "softmax/optimizers", "--preset", "quick", *options)
    assert code == 2 and words in error and len(error.splitlines()) < 10 and not out
    assert not Path("runs").exists()


def test_a_study_of_python_values_says_that_it_cannot_be_written():
    own = dataclasses.replace(find_task("mnist-softmax"), name="own")
    study = fallline.Study(name="own", task=own, base={"optimizer": "adam", "batch_size": 10, "steps": 5})
    with pytest.raises(StudyError, match=r"file\.py:NAME"):
        fallline.measure_scaling(study, [1, 2])


def test_more_gpus_than_there_are_is_told():
    with pytest.raises(StudyError, match="8 devices are asked for and there are 2"):
        check_devices(8, 2, "gpu", "an H100")
    check_devices(8, 1, "cpu", "a CPU, which is cut up")


# Workers in a recipe.

WORKERS = {"optimizer": "adam", "learning_rate": 0.001, "batch_size": 50, "epochs": 2, "workers": 4}


def recipes(**base):
    study = fallline.Study(name="workers", task="mnist-softmax", base=WORKERS | base)
    return [trial.recipe for trial in study.trials()]


def test_a_batch_of_each_worker_is_a_larger_batch_and_fewer_steps():
    (shared,) = recipes()
    (own,) = recipes(batch_of="worker")
    assert (shared.batches.size, shared.steps) == (50, 160)
    assert (own.batches.size, own.steps) == (200, 40) and own.steps == steps_of(2, 4000, 50, workers=4).steps
    (growing,) = recipes(batch_of="worker", batch_size="30 + 10*epoch")
    assert growing.batches.size == "(30 + 10*epoch)*4"
    assert recipes(batch_of="worker", workers=1)[0].batches == shared.batches, "one worker is all workers"
    with pytest.raises(StudyError, match='needs a batch_size that is a number or a formula, got "all"'):
        recipes(batch_of="worker", batch_size="all")
    with pytest.raises(UnknownName, match="worker"):
        recipes(batch_of="workers")
    with pytest.raises(HyperparameterError, match="workers must be a whole number"):
        recipes(batch_of="worker", workers=2.5)


def test_the_calculation_of_a_budget_names_the_workers():
    row = {"epochs": 40.0, "train_examples": 60_000, "batch_size": "512", "steps": 4680, "workers": 4.0}
    assert (
        sentence(row) == "40 epochs × 60,000 examples / (128 a batch × 4 workers) = 4688: 4,680 steps; "
        "the 96 remaining examples of an epoch are dropped"
    )
    assert "workers" not in sentence(row | {"workers": 1.0}) and "workers" not in sentence(row | {"workers": 3.0})


def test_the_rate_follows_a_power_of_the_workers():
    schedule = find_schedule("constant")
    clock = Clock(np.arange(4.0), np.arange(4.0), 4.0, 4.0)
    for power, height in ((1, 4), (0.5, 2), (0, 1)):
        full = check_schedule(schedule, {"workers": 4, "rate_power": power}, "")
        assert factors(schedule, full, clock).tolist() == [height] * 4
        climbing = check_schedule(schedule, {"workers": 4, "rate_power": power, "warmup_steps": 2}, "")
        assert factors(schedule, climbing, clock).tolist() == [0, height / 2, height, height]


def test_records_from_before_the_power_of_the_workers_keep_their_names():
    plain = fallline.Study(name="n", task="mnist-softmax", base=WORKERS).trials()[0]
    assert (
        "rate_power" not in plain.canonical["numbers"]
        and dict(plain.recipe.hyperparameters.schedule)["rate_power"] == 1
    )
    fixed = fallline.Study(name="n", task="mnist-softmax", base=WORKERS | {"rate_power": 0}).trials()[0]
    assert fixed.canonical["numbers"]["rate_power"] == 0 and fixed.name != plain.name


def test_what_may_be_left_out_is_off_where_an_axis_wants_it_both_ways():
    study = fallline.Study(
        name="n", task="mnist-softmax", base=WORKERS, axes={"warmup_epochs": ["off", 1], "early_stop": ["off", 3]}
    )
    hyperparameters = [trial.recipe.hyperparameters.flat for trial in study.trials()]
    both = [(one["warmup_epochs"], one["early_stop"]) for one in hyperparameters]
    assert both == [(None, None), (None, 3), (1, None), (1, 3)]
