"""Calibrating the device at hand: exercises timed alone and side by side, and the law fitted to them."""

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
"""Everything is timed in rounds of so many seconds or calls each, so that what else the machine does for a moment does
not count: the medians do."""

PRODUCT_SIZE, STREAM_NUMBERS, ARRAYS = 768, 2**23, 16
NEW_BYTES = 2**24
"""Of memory that is written to for the first time: some milliseconds."""

CACHE_BYTES = 16e6
"""Of the last cache, where the system does not tell."""

USUAL_WEIGHT = 0.1
"""How much the usual rates count beside a measured one, where both speak of the same."""

SWEEPS = 300
"""Of a fit of nine rates, each drawn to its usual value: far more than it takes."""

USUAL_HOST = Host(call=0.65, array=0.026, fetch=0.12, evaluation=1.5, first=5.0, first_array=0.14)
"""What the engine's calls cost the host, in units of a bare call of ``ARRAYS`` arrays, 60 us: fitted to tiny trainings
by the engine on two cores of an Intel Xeon, jax 0.10.2. A run refines what follows from it."""


def measure() -> Calibration:
    """The calibration of this device, measured now: a second or two."""
    jax = prepare_jax()
    cpu = jax.default_backend() == "cpu"
    whole, passes, call, *steps = compiled().result()
    at_once = dict.fromkeys((1, cores() if cpu else 1))
    timed = _rounds([whole, passes, call, *steps], list(at_once))
    cache, laws = _cache_bytes(), []
    for seconds in timed.values():
        product_flops = whole.costs.threaded.product_operations / seconds[0]
        usual = usual_rates(product_flops, 8 * STREAM_NUMBERS / seconds[1], seconds[2])
        counted = [one.costs for one in (whole, passes, *steps)]
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
    """What programs usually reach, by a device's rate of large matmuls, of passes and of bare calls: seconds of each.

    Fitted to training steps on two cores of an Intel Xeon: small matmuls near the rate of large ones, passes over what
    is in the cache half as long again as fast, one exponential as long as forty operations of a matmul.
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
    """An exercise, compiled and run once."""

    def __init__(self, exercise: Exercise):
        self.exercise, self._state = exercise, exercise.state()
        self.program = Compiled(exercise.call, donate=(0,), thin=exercise.thin)
        self.costs: Costs = costs(self.program.prepare(self._state, np.int32(1)).as_text())

    def seconds(self) -> float:
        """The median of the seconds a step; one call's share of a step is in it, as steps are many."""
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
    """All exercises being compiled in a thread, once a process: XLA works while Python plans."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="calibrating")
    wanted = [product(PRODUCT_SIZE), stream(STREAM_NUMBERS), arrays(ARRAYS), *exercises()]
    future = pool.submit(lambda: [_Ready(exercise) for exercise in wanted])
    pool.shutdown(wait=False)
    return future


def _rounds(programs: Sequence[_Ready], at_once: Sequence[int]) -> dict[int, list[float]]:
    """Seconds a step of each program, by how many of it run at the same time: the medians over rounds."""
    times: dict[int, list[list[float]]] = {count: [] for count in at_once}
    with ThreadPoolExecutor(max(at_once)) as pool:
        for _ in range(ROUNDS):
            for count in at_once:
                times[count].append(
                    [statistics.mean(pool.map(lambda one: one.seconds(), [one] * count)) for one in programs]
                )
    return {count: np.median(np.array(rounds), axis=0).tolist() for count, rounds in times.items()}


def fitted(
    counted: Sequence[Costs], measured: np.ndarray, cache: float, usual: DeviceRates
) -> tuple[DeviceRates, np.ndarray]:
    """The rates under which the law is nearest to ``measured``, by least squares of relative errors; those errors.

    Each rate is drawn a little towards the ``usual`` one, so that one of which little was measured is that.
    """
    expected = np.array([getattr(usual, name) for name in NAMES])
    rows = np.array([features(one, cache) for one in counted]) * expected / measured[:, None]
    drawn = USUAL_WEIGHT * np.eye(len(NAMES))
    shares = _none_below_zero(np.vstack([rows, drawn]), np.concatenate([np.ones(len(rows)), drawn.sum(axis=1)]))
    rates = dict(zip(NAMES, (shares * expected).tolist(), strict=True))
    return DeviceRates(**rates, host=usual.host), np.abs(rows @ shares - 1)


def _none_below_zero(rows: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The x >= 0 with the least sum of squares of ``rows @ x - wanted``: one coordinate after the other, again and
    again (scipy's nnls, without the seconds that importing it takes)."""
    x = np.ones(rows.shape[1])
    squares, left = (rows**2).sum(axis=0), wanted - rows @ x
    for _ in range(SWEEPS):
        for place, square in enumerate(squares):
            moved = max(0.0, x[place] + rows[:, place] @ left / square)
            left -= (moved - x[place]) * rows[:, place]
            x[place] = moved
    return x


def _page_byte() -> float:
    """Seconds a byte of writing to memory that this process never had before."""
    times = []
    for _ in range(ROUNDS):
        with mmap.mmap(-1, NEW_BYTES) as new:
            begun = time.perf_counter()
            for page in range(0, NEW_BYTES, mmap.PAGESIZE):
                new[page] = 1
            times.append(time.perf_counter() - begun)
    return statistics.median(times) / NEW_BYTES


def _cache_bytes() -> float:
    """The size of the CPU's last cache."""
    try:
        written = Path("/sys/devices/system/cpu/cpu0/cache/index3/size").read_text(encoding="ascii").strip()
        return float(written.removesuffix("K")) * 1024
    except (OSError, ValueError):
        return CACHE_BYTES


def _memory_bytes() -> float | None:
    """The memory of the device: the machine's for a CPU, what the allocator may hand out for an accelerator."""
    device = prepare_jax().devices()[0]
    if device.platform != "cpu":
        return (device.memory_stats() or {}).get("bytes_limit")
    return float(psutil.virtual_memory().total)
