"""Forecasts: what a program does is counted, the device is measured once, the law says what bounds a step."""

import json

import numpy as np
import pytest

from fallline.engine.compiled import Compiled
from fallline.engine.devices import cache_folder, prepare_jax
from fallline.errors import UnknownName
from fallline.forecast import Rates, calibrate
from fallline.forecast.calibration import recall
from fallline.forecast.hlo import costs
from fallline.forecast.laws import NAMES, bound, features, step_seconds
from fallline.forecast.sheets import SHEETS

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
    place, = (cache_folder() / "calibrations").glob("*.json")
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
    assert set(NAMES) | {"dispatch"} == set(Rates.__dataclass_fields__)
