"""Forecasts: what a program does is counted, the device is measured once, the law says what bounds a step."""

import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import vl_convert

import fallline
from fallline.engine.compiled import Compiled
from fallline.engine.devices import prepare_jax
from fallline.engine.disk_cache import cache_folder
from fallline.engine.memory_use import Watch, held_bytes
from fallline.errors import UnknownName
from fallline.forecast import DeviceRates, calibrate
from fallline.forecast.calibration import recall
from fallline.forecast.data_sheets import SHEETS
from fallline.forecast.hlo import costs
from fallline.forecast.laws import NAMES, bound, features, step_seconds
from fallline.forecast.published_guesses import time_guess
from fallline.report.figures.guessed import GUESS, OURS
from on_page import on_page

jax = prepare_jax()
jnp = jax.numpy


def counted(function, *arguments):
    return costs(Compiled(function).prepare(*arguments).as_text())


def test_products_in_a_loop_are_counted_once_a_step():
    def steps(weights, x, count):
        return jax.lax.fori_loop(0, count, lambda _, w: w - 0.01 * (x.T @ jnp.tanh(x @ w)), weights)

    weights, x = jnp.ones((700, 300)), jnp.ones((64, 700))
    found = counted(steps, weights, x, np.int32(5))
    assert found.threaded.product_operations == 2 * (2 * 64 * 700 * 300)
    assert found.threaded.transcendentals == 64 * 300
    assert found.native.operations == 0 and found.dispatch.product_operations == 0


def test_a_loop_of_known_length_counts_as_often_as_it_turns():
    def step(w, x):
        return jax.lax.fori_loop(0, 7, lambda _, w: x @ w, w).sum()

    found = counted(step, jnp.ones((600, 600)), jnp.ones((600, 600)))
    assert found.threaded.product_operations == 7 * 2 * 600**3


def test_batched_products_and_convolutions_are_counted():
    found = counted(lambda a, b: jnp.einsum("bij,bjk->bik", a, b), jnp.ones((5, 70, 80)), jnp.ones((5, 80, 90)))
    assert found.threaded.product_operations == 2 * 5 * 70 * 80 * 90

    def convolve(x, kernel):
        return jax.lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    found = counted(convolve, jnp.ones((2, 20, 20, 8)), jnp.ones((5, 5, 8, 16)))
    assert found.threaded.product_operations == 2 * (2 * 16 * 16 * 16) * (5 * 5 * 8)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="small loops are native functions on CPUs")
def test_a_small_loop_is_one_native_function_and_costs_no_threads():
    found = counted(lambda x, n: jax.lax.fori_loop(0, n, lambda _, x: jnp.exp(x) * 0.5, x), jnp.ones(40), np.int32(3))
    assert found.native.transcendentals == 40 and found.threaded.operations == 0


def test_a_gather_reads_what_it_gives_not_the_whole_array():
    data, chosen = jnp.ones((20_000, 100)), jnp.arange(8)
    found = counted(lambda data, chosen: data[chosen] * 2.0, data, chosen)
    assert found.bytes < 0.01 * data.nbytes


def test_bytes_of_a_pass_are_those_read_and_written():
    found = counted(lambda x, y: x * 2.0 + y, jnp.ones(500_000), jnp.ones(500_000))
    assert found.bytes == 3 * 4 * 500_000


def test_the_device_is_measured_once_and_remembered(monkeypatch):
    first = calibrate()
    assert first.measured and first.product_flops > 1e8 and first.memory_bytes_per_second > 1e7
    assert 0 < first.dispatch_seconds < 0.1 and first.memory_bytes > 1e8
    assert all(getattr(rates, name) >= 0 for rates in (first.alone, first.beside) for name in NAMES)
    monkeypatch.setattr("fallline.forecast.measuring.measure", lambda: pytest.fail("measured twice"))
    assert calibrate() == first == recall()


def test_a_calibration_that_cannot_be_read_is_as_good_as_none(monkeypatch):
    calibrate()
    (place,) = (cache_folder() / "calibrations").glob("*.json")
    written = place.read_text()
    try:
        for broken in ("", "[]", "{}", json.dumps(json.loads(written) | {"format": 0}), written[:99]):
            place.write_text(broken)
            assert recall() is None
    finally:
        place.write_text(written)


def test_a_device_that_is_not_here_has_its_data_sheet_and_says_so():
    h100 = calibrate("h100")
    assert not h100.measured and "data sheet, not measured" in h100.source
    assert h100.memory_bytes == 80e9 and h100.product_flops == 67e12
    assert all(0 < sheet.float32 <= (sheet.bfloat16 or np.inf) and sheet.source for sheet in SHEETS.values())
    with pytest.raises(UnknownName, match=r"no device is named 'h10'.*did you mean.*h100"):
        calibrate("h10")


def test_the_law_is_a_sum_and_says_what_bounds_a_step():
    sheet = calibrate("t4")
    product = counted(lambda a, b: a @ b, jnp.ones((900, 900)), jnp.ones((900, 900)))
    assert bound(product, sheet)[0] == "arithmetic"
    by_hand = (features(product, sheet.cache_bytes) * [getattr(sheet.alone, name) for name in NAMES]).sum()
    assert step_seconds(product, sheet) == pytest.approx(by_hand)
    large = jnp.ones(20_000_000)
    assert bound(counted(lambda x: x + 1.0, large), sheet)[0] == "memory"
    assert bound(counted(lambda x: x + 1.0, jnp.ones(4)), sheet)[0] == "overhead"
    assert set(NAMES) | {"host"} == set(DeviceRates.__dataclass_fields__)


@pytest.fixture(scope="module")
def small_run(tmp_path_factory):
    """A small study, forecast and then run, on a calibrated device."""
    calibrate()
    study = fallline.load_study("line/optimizers").with_({"base": {"steps": 40}, "presets": {}})
    return (
        study,
        fallline.plan_study(study, compile_all=True),
        fallline.run(study, tmp_path_factory.mktemp("run") / "line"),
    )


def test_a_plan_counts_what_the_run_then_trains(small_run):
    study, plan, result = small_run
    assert plan.trials == result.trials.height == len(study.trials())
    (cohort,) = plan.cohorts
    assert cohort.why == "" and cohort.steps == 40 and cohort.weights == 2
    assert cohort.predicted.seconds_low < cohort.predicted.seconds < cohort.predicted.seconds_high
    assert cohort.predicted.memory_low < cohort.predicted.memory_bytes < cohort.predicted.memory_high
    assert plan.frame.height == 1 and json.loads(json.dumps(plan.as_dict()))["trials"] == plan.trials


def test_what_was_predicted_before_training_stands_beside_what_was_measured(small_run):
    from fallline.report.sections.forecast import BOUNDS, forecast_blocks, predicted_frame

    _, plan, result = small_run
    (row,) = predicted_frame(result.records).rows(named=True)
    assert row["how"] == "compiled" and row["flops"] == pytest.approx(plan.flops)
    assert row["predicted_memory_bytes"] > 1e5 and row["seconds"] > 0
    page = on_page(forecast_blocks(result.records))
    assert "Predicted and measured" in page and f"limited by {BOUNDS[row['bound']]}" in page


@pytest.mark.skipif(held_bytes() is None, reason="nothing counts the memory of this process")
def test_the_predicted_memory_of_a_fresh_process_is_within_a_tenth(tmp_path):
    """A count of bytes, not a time. The first time compiles, which holds more for a while; so the second one counts."""
    script = Path(__file__).parents[2] / "benchmarks" / "forecasts.py"
    for turn in ("first", "second"):
        subprocess.run(
            [sys.executable, script, "neurons/saddle", "--out", tmp_path / turn], check=True, capture_output=True
        )
    (row,) = json.loads((tmp_path / "second").read_text())
    assert row["predicted_memory"] == pytest.approx(row["memory"], rel=0.1)


def test_rates_are_those_that_made_the_times_and_the_usual_ones_where_nothing_was_timed():
    from fallline.forecast.costs import Costs, MatmulCost, ProgramWork
    from fallline.forecast.measuring import fitted, usual_rates

    usual = usual_rates(1e11, 2e10, 3e-5)
    true = dict.fromkeys(NAMES, 0.0) | {
        "cached_byte": 3 * usual.cached_byte,
        "transcendental": usual.transcendental / 4,
    }
    counted = [
        Costs(ProgramWork(bytes=1e6)),
        Costs(ProgramWork(bytes=1e6, transcendentals=1e5)),
        Costs(ProgramWork(transcendentals=1e4)),
    ]
    seconds = np.array([features(one, 1e9) @ [true[name] for name in NAMES] for one in counted])
    rates, errors = fitted(counted, seconds, 1e9, usual)
    assert rates.cached_byte == pytest.approx(true["cached_byte"], rel=0.05)
    assert rates.transcendental == pytest.approx(true["transcendental"], rel=0.15) and max(errors) < 0.15
    product = Costs(ProgramWork(products=[(1.0, MatmulCost(1, 100, 10, 784))]))
    by_hand = product.threaded.product_operations / 1e11 + product.threaded.products[0][1].bytes * rates.cached_byte
    assert step_seconds(product, dataclasses.replace(calibrate("t4"), alone=rates)) == pytest.approx(by_hand, rel=1e-3)
    assert rates.host == usual.host and rates.native_element == pytest.approx(usual.native_element)


def test_no_rate_is_below_zero_whatever_was_timed():
    from fallline.forecast.measuring import _none_below_zero

    found = _none_below_zero(np.array([[1.0, 1.0], [1.0, 0.0], [0.0, 0.1]]), np.array([1.0, 2.0, 0.1]))
    assert found[1] == 0 and found[0] == pytest.approx(1.5)


def test_tasks_on_the_same_data_share_its_arrays_and_a_cpu_has_them_once():
    from fallline.engine.mesh import ALONE
    from fallline.training.context import TrainingContext

    setup = TrainingContext(fallline.load_study("mlp/fashion").preset("quick"), None)
    assert len(setup.tasks) == 3 and len({id(setup.load(task)) for task in setup.tasks}) == 1
    host, device = setup.load(setup.tasks[0]).splits.train, setup.load(setup.tasks[0]).on(ALONE)[0]
    if jax.default_backend() == "cpu":
        assert [part.unsafe_buffer_pointer() for part in device] == [part.ctypes.data for part in host]


def test_a_cohort_says_why_it_stands_apart():
    study = (
        fallline.load_study("softmax/optimizers")
        .preset("quick")
        .with_({"axes": {"optimizer": ["adam"], "learning_rate": [0.01], "batch_size": [10, 50]}, "base": {"steps": 5}})
    )
    assert [cohort.why for cohort in fallline.plan_study(study).cohorts] == ["batch size 10", "batch size 50"]


def test_flops_of_a_softmax_layer_are_those_counted_by_hand():
    study = (
        fallline.load_study("softmax/optimizers")
        .preset("quick")
        .with_({"axes": {"optimizer": ["gradient_descent"], "learning_rate": [0.1]}, "seeds": 1, "base": {"steps": 7}})
    )
    (cohort,) = fallline.plan_study(study).cohorts
    products = 2 * (2 * 100 * 784 * 10)  # forward, and the gradient of the weights
    assert products < cohort.predicted.flops_a_step < 1.5 * products
    assert cohort.predicted.flops == pytest.approx(7 * cohort.predicted.flops_a_step)


def test_by_law_and_compiled_agree_on_products():
    study = fallline.Study(
        name="law",
        task="fashion-mnist-mlp-256",
        data="sample",
        metric="validation_loss",
        base={"optimizer": "adam", "learning_rate": 0.01, "batch_size": 24, "steps": 50},
    )
    (by_law,) = fallline.plan_study(study).cohorts
    (compiled,) = fallline.plan_study(study, compile_all=True).cohorts
    assert (by_law.predicted.how, compiled.predicted.how) == ("by law", "compiled")
    assert by_law.predicted.flops_a_step == pytest.approx(compiled.predicted.flops_a_step, rel=0.1)
    assert by_law.predicted.memory_bytes == pytest.approx(compiled.predicted.memory_bytes, rel=0.5)
    (again,) = fallline.plan_study(study).cohorts
    assert again.predicted.how == "compiled", "what was compiled once is remembered"


@pytest.fixture
def three_widths():
    return fallline.Study(
        name="kin",
        task="fashion-mnist-mlp-512",
        data="sample",
        metric="validation_loss",
        base={"optimizer": "adam", "learning_rate": 0.01, "steps": 50},
        axes={"batch_size": [4, 64, 16]},
    )


def test_when_there_is_no_time_a_program_is_counted_by_its_kin_and_not_traced(monkeypatch, three_widths):
    from fallline.engine.compiled import Compiled
    from fallline.forecast import study

    monkeypatch.setattr(fallline, "__version__", "0.0.0")  # nothing of this version was counted before
    traced, written = [], Compiled.written
    monkeypatch.setattr(Compiled, "written", lambda self, *seen: traced.append(self) or written(self, *seen))
    monkeypatch.setattr(study, "TRACING_SECONDS", -1e6)
    plan = fallline.plan_study(three_widths)
    assert len(traced) == 2, "one step and one evaluation, of three cohorts"
    assert [cohort.predicted.how for cohort in plan.cohorts] == ["by law"] * 3
    flops = [cohort.predicted.flops_a_step for cohort in plan.cohorts]
    assert flops == pytest.approx([flops[0], 16 * flops[0], 4 * flops[0]])
    assert plan.compile_seconds > 0
    fallline.plan_study(three_widths)
    assert len(traced) == 2, "what was counted by law is remembered, too"


def test_between_two_widths_work_lies_on_a_line(three_widths):
    from fallline.forecast.count_cache import Counted
    from fallline.forecast.counting import SimilarProgram, _scaled
    from fallline.forecast.hlo import costs
    from fallline.study.plan import plan
    from fallline.training.context import TrainingContext

    setup = TrainingContext(three_widths, None)
    found = {}
    for planned in plan(setup.trials, setup.most_lanes):
        ready = setup.make(planned)
        width = max(ready.widths)
        own = costs(ready.program.advance(width).written(*ready.step_shapes), False, True)
        found[width] = Counted(own, None, 0, 0, 0)
    between = _scaled([SimilarProgram(4, 0, found[4]), SimilarProgram(64, 0, found[64])], 16, 0).costs.threaded
    true = found[16].costs.threaded
    for name in ("operations", "elements", "bytes", "product_operations"):
        assert getattr(between, name) == pytest.approx(getattr(true, name), rel=0.02), name


def test_a_forecast_trains_nothing_and_writes_no_folder(cli, monkeypatch):
    monkeypatch.setattr("fallline.engine.training._advance", lambda *_: pytest.fail("a step was trained"))
    code, out, _ = cli("plan", "try.toml")
    assert code == 0 and "4 trials in 1 cohort" in out and "measured here" in out
    assert not Path("runs").exists()
    code, out, _ = cli("plan", "try.toml", "--json")
    assert code == 0 and json.loads(out)["trials"] == 4


def test_a_plan_for_a_device_that_is_not_here_is_marked(cli):
    code, out, _ = cli("plan", "try.toml", "--device", "t4")
    assert code == 0 and "from its data sheet, not measured" in out and "on t4" in out
    code, _, error = cli("plan", "try.toml", "--device", "h1000")
    assert code == 2 and "no device is named 'h1000'" in error and "h100" in error and error.count("\n") < 5


def test_a_cohort_is_tried_in_a_process_of_its_own(cli):
    code, out, _ = cli("plan", "try.toml", "--measure", "--json")
    (cohort,) = json.loads(out)["cohorts"]
    assert code == 0 and cohort["measured_seconds"] > 0 and cohort["measured_memory_bytes"] > 0


def test_utilisation_tells_the_batch_beyond_which_more_brings_nothing(cli):
    code, out, _ = cli("utilisation", "mnist-softmax", "--batches", "8,64,5000", "--out", "use.html")
    assert code == 0 and "the device is used" in out and "Published" in out and "20 % at 128" in out
    assert "5,000" not in out, "the sample has too few examples for it"
    assert "<svg" in Path("use.html").read_text()
    code, _, error = cli("utilisation", "mnist-softmax", "--batches", "8,x")
    assert code == 2 and "write 1,8,64" in error
    assert cli("utilisation", "mnist-softmax", "--out", "use.gif")[0] == 2


def test_the_knee_is_the_smallest_batch_near_the_most():
    from fallline.report.utilisation import answer, knee

    frame = pl.DataFrame(
        {
            "batch": [64, 128, 512, 1024],
            "examples_a_second": [10.0, 50.0, 91.0, 100.0],
            "share": [0.1, 0.2, 0.5, 0.54],
            "busy": [None] * 4,
        },
        schema_overrides={"busy": pl.Float64},
    )
    assert knee(frame) == 512
    assert answer(frame, "x").startswith("x: at 128 to 20 %, at 1,024 to 54 % the device is used")
    assert "beyond 512 larger batches gain nothing" in answer(frame, "x")


def test_the_guesses_are_fitted_as_kindly_as_can_be():
    epochs, batch = np.array([10.0, 20.0, 10.0]), np.array([10.0, 10.0, 50.0])
    assert time_guess(epochs, batch, 3.0 * epochs / batch) == pytest.approx(3.0 * epochs / batch)
    seconds = np.array([1.0, 2.5, 0.3])
    best = ((time_guess(epochs, batch, seconds) - seconds) ** 2).sum()
    scales = np.linspace(0.1, 4, 400)
    assert best <= min((((scale * epochs / batch) - seconds) ** 2).sum() for scale in scales) + 1e-12


def test_the_memory_that_is_held_is_watched():
    with Watch(held_bytes()) as watch:
        held = np.ones(30_000_000, np.uint8)
        time.sleep(0.05)
        del held
        assert 29e6 < watch.peak() < 60e6
        assert (watch.peak() or 0) < 15e6, "each peak is that since the last"


def test_the_reports_guesses_stand_beside_ours(tmp_path):
    from fallline.report.figures import drawn
    from fallline.study import Figure

    calibrate()
    study = fallline.Study(
        name="two",
        task="two-gaussians-one-neuron",
        metric="final_train_loss",
        seeds=1,
        base={"optimizer": "adam", "learning_rate": 0.01, "steps": 20},
        axes={"batch_size": [8, 32]},
    )
    found = drawn(fallline.run(study, tmp_path / "two").records, Figure(kind="guessed"))
    times = found.frame.filter(pl.col("what").str.starts_with("time"))
    assert times.height == 2 * 2 and set(times["law"]) == {OURS, GUESS}
    assert "2 cohorts" in found.caption and "least squares" in found.caption and "off (median)" in found.caption
    assert vl_convert.vegalite_to_svg(found.specification).startswith("<svg")
    assert found.table.height == found.frame.height
