"""Calibrating this device: exercises are timed alone and concurrently, and the cost model is fitted to them."""

from __future__ import annotations

import mmap
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import psutil

from fallline.engine.compiled import Compiled
from fallline.engine.devices import cores, device_name, prepare_jax
from fallline.forecast.costs import Costs
from fallline.forecast.exercises import Exercise, arrays, exercises, product, stream
from fallline.forecast.hlo import costs
from fallline.forecast.host import Host
from fallline.forecast.laws import NAMES, features
from fallline.forecast.rates import Calibration, DeviceRates

ROUNDS, TIMED_SECONDS, FEWEST_CALLS = 3, 0.004, 2
"""Every exercise is timed in rounds of at least this many seconds and calls; medians over rounds ignore short
disturbances by other processes."""

PRODUCT_SIZE, STREAM_NUMBERS, ARRAYS = 768, 2**23, 16
NEW_BYTES = 2**24
"""The size of new memory whose first write is timed: some milliseconds."""

CACHE_BYTES = 16e6
"""The size of the last-level cache where the system does not say."""

USUAL_WEIGHT = 0.1
"""The weight of the usual rates against measured ones."""

SWEEPS = 300
"""Iterations of the fit of nine rates: far more than it needs."""

USUAL_HOST = Host(call=0.65, array=0.026, fetch=0.12, evaluation=1.5, first=5.0, first_array=0.14)
"""The host's time of engine calls, in units of a call with ``ARRAYS`` arrays and no work (60 us): fitted to very small
trainings on two cores of an Intel Xeon, jax 0.10.2. Runs correct the forecasts that follow from it."""


def measure() -> Calibration:
    """Measure the calibration of this device, in a second or two."""
    jax = prepare_jax()
    cpu = jax.default_backend() == "cpu"
    whole, passes, call, *steps = compiled().result()
    at_once = dict.fromkeys((1, cores() if cpu else 1))
    timed = _rounds([whole, passes, call, *steps], list(at_once))
    cache, laws = _cache_bytes(), []
    for seconds in timed.values():
        product_flops = whole.costs.threaded.product_operations / seconds[0]
        usual = usual_rates(product_flops, 8 * STREAM_NUMBERS / seconds[1], seconds[2])
        counted = [program.costs for program in (whole, passes, *steps)]
        laws.append(fitted(counted, np.array([*seconds[:2], *seconds[3:]]), cache, usual))
    (alone, errors), (beside, _), first = laws[0], laws[-1], timed[1]
    return Calibration(
        device_name(),
        2 * PRODUCT_SIZE**3 / first[0],
        8 * STREAM_NUMBERS / first[1],
        first[2],
        cache,
        _memory_bytes(),
        alone,
        beside,
        float(np.median(errors)),
        when=time.strftime("%Y-%m-%d"),
        jax=jax.__version__,
        page_byte=_page_byte() if cpu else 0.0,
    )


def usual_rates(product_flops: float, bytes_per_second: float, call: float) -> DeviceRates:
    """The rates that programs usually reach, from a device's matmul throughput, memory bandwidth and seconds per call.

    Fitted to training steps on two cores of an Intel Xeon: small matmuls run near the rate of large ones, passes over
    cached memory 1.4 times as fast as over uncached, and an exponential takes as long as forty operations of a matmul.
    """
    operation = 1 / product_flops
    return DeviceRates(
        call / 120,
        0.7 / bytes_per_second,
        1 / bytes_per_second,
        operation,
        operation,
        40 * operation,
        call / 5000,
        12 * operation,
        50 * operation,
        Host(*(call * share for share in USUAL_HOST)),
    )


class _Ready:
    """A compiled exercise."""

    def __init__(self, exercise: Exercise):
        self.exercise, self._state = exercise, exercise.state()
        self.program = Compiled(exercise.call, donate=(0,), thin=exercise.thin)
        self.costs: Costs = costs(self.program.prepare(self._state, np.int32(1)).as_text())

    def seconds(self) -> float:
        """The median of the seconds per step, including the step's share of a call."""
        jax = prepare_jax()
        state, steps, times = jax.device_put(self._state), np.int32(self.exercise.steps), []
        state = jax.block_until_ready(self.program(state, steps))
        begun = time.perf_counter()
        while len(times) < FEWEST_CALLS or time.perf_counter() - begun < TIMED_SECONDS:
            called = time.perf_counter()
            state = jax.block_until_ready(self.program(state, steps))
            times.append(time.perf_counter() - called)
        return statistics.median(times) / self.exercise.steps


@cache
def compiled() -> Future[list[_Ready]]:
    """All exercises, compiled in a thread once per process, while Python plans."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="calibrating")
    selected = [product(PRODUCT_SIZE), stream(STREAM_NUMBERS), arrays(ARRAYS), *exercises()]
    future = pool.submit(lambda: [_Ready(exercise) for exercise in selected])
    pool.shutdown(wait=False)
    return future


def _rounds(programs: Sequence[_Ready], at_once: Sequence[int]) -> dict[int, list[float]]:
    """Seconds per step of each program, by the number of concurrent copies: medians over rounds."""
    times: dict[int, list[list[float]]] = {count: [] for count in at_once}
    with ThreadPoolExecutor(max(at_once)) as pool:
        for _ in range(ROUNDS):
            for count in at_once:
                times[count].append(
                    [
                        statistics.mean(pool.map(lambda program: program.seconds(), [program] * count))
                        for program in programs
                    ]
                )
    return {count: np.median(np.array(rounds), axis=0).tolist() for count, rounds in times.items()}


def fitted(
    counted: Sequence[Costs], measured: np.ndarray, cache: float, usual: DeviceRates
) -> tuple[DeviceRates, np.ndarray]:
    """The rates that fit the cost model to ``measured`` seconds by least squares of relative errors, and these errors.

    Each rate is regularised towards the ``usual`` one, so that a rate with little evidence stays near it.
    """
    expected = np.array([getattr(usual, name) for name in NAMES])
    rows = np.array([features(program, cache) for program in counted]) * expected / measured[:, None]
    prior = USUAL_WEIGHT * np.eye(len(NAMES))
    shares = _none_below_zero(np.vstack([rows, prior]), np.concatenate([np.ones(len(rows)), prior.sum(axis=1)]))
    rates = dict(zip(NAMES, (shares * expected).tolist(), strict=True))
    return DeviceRates(**rates, host=usual.host), np.abs(rows @ shares - 1)


def _none_below_zero(rows: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Nonnegative least squares: the x >= 0 that minimises the sum of squares of ``rows @ x - wanted``, by coordinate
    descent (scipy.optimize.nnls takes seconds to import)."""
    x = np.ones(rows.shape[1])
    squares, left = (rows**2).sum(axis=0), wanted - rows @ x
    for _ in range(SWEEPS):
        for place, square in enumerate(squares):
            moved = max(0.0, x[place] + rows[:, place] @ left / square)
            left -= (moved - x[place]) * rows[:, place]
            x[place] = moved
    return x


def _page_byte() -> float:
    """Seconds per byte of the first write to new memory."""
    times = []
    for _ in range(ROUNDS):
        with mmap.mmap(-1, NEW_BYTES) as new:
            begun = time.perf_counter()
            for page in range(0, NEW_BYTES, mmap.PAGESIZE):
                new[page] = 1
            times.append(time.perf_counter() - begun)
    return statistics.median(times) / NEW_BYTES


def _cache_bytes() -> float:
    """The size of the CPU's last-level cache."""
    try:
        written = Path("/sys/devices/system/cpu/cpu0/cache/index3/size").read_text(encoding="ascii").strip()
        return float(written.removesuffix("K")) * 1024
    except (OSError, ValueError):
        return CACHE_BYTES


def _memory_bytes() -> float | None:
    """The memory of the device: that of the machine for a CPU, the allocator's limit for an accelerator."""
    device = prepare_jax().devices()[0]
    if device.platform != "cpu":
        return (device.memory_stats() or {}).get("bytes_limit")
    return float(psutil.virtual_memory().total)
