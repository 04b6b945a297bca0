"""Calibrating the device at hand: exercises timed alone and side by side, and the law fitted to them."""

from __future__ import annotations

import mmap
import os
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fallline.engine.compiled import Compiled
from fallline.engine.devices import cores, device_name, prepare_jax
from fallline.forecast.calibration import Calibration, Rates
from fallline.forecast.costs import Costs
from fallline.forecast.exercises import Exercise, exercises, product, stream
from fallline.forecast.hlo import costs
from fallline.forecast.host import DISPATCHES, SIZES, Host, fit_host
from fallline.forecast.laws import NAMES, features
from fallline.forecast.tiny import Seconds, Tiny

ROUNDS, TIMED_SECONDS = 3, 0.05
"""Everything is timed in rounds of so many seconds each, at least three calls, so that what else the machine does for a
moment does not count: the medians do."""

LOOPS = ((1, 4, 1, 4, 500), (1, 9, 1, 8, 500), (1, 9, 1, 32, 500), (1, 60, 1, 4, 500, False), (10, 5, 1, 4, 500, False))
LOOP_DISPATCHES = 10
"""Tiny trainings that are small loops: as those of ``SIZES``, of long dispatches, and how many of these are timed."""

PRODUCT_SIZE, STREAM_NUMBERS = 1024, 2**24
NEW_BYTES = 2**26
"""Of memory that is written to for the first time: some milliseconds."""

CACHE_BYTES = 16e6
"""Of the last cache, where the system does not tell."""


def measure() -> Calibration:
    """The calibration of this device, measured now."""
    jax = prepare_jax()
    cpu = jax.default_backend() == "cpu"
    bench, cache, many = _Bench(cpu), _cache_bytes(), cores() if cpu else 1
    rounds: dict[int, list[_Round]] = {at_once: [] for at_once in (1, many)}
    for _ in range(ROUNDS):
        for at_once, own in rounds.items():
            own.append(bench.round(at_once))
    laws = [bench.law(_Round.median(own), cache) for own in rounds.values()]
    (alone, errors), (beside, _), first = laws[0], laws[-1], _Round.median(rounds[1])
    whole, streamed = first.peaks.tolist()
    dispatch = Seconds(*first.calls[0]).chunk
    return Calibration(device_name(), 2 * PRODUCT_SIZE**3 / whole, 8 * STREAM_NUMBERS / streamed, dispatch,
                       cache, _memory_bytes(), alone, beside, float(np.median(errors)),
                       when=time.strftime("%Y-%m-%d"), jax=jax.__version__, page_byte=_page_byte() if cpu else 0.0)


class _Round(NamedTuple):
    """Seconds: ``calls`` [tiny training, its ``Seconds``], a step of each of ``steps`` and of ``peaks``, a dispatch of
    each of ``loops``.
    """

    calls: np.ndarray
    steps: np.ndarray
    loops: np.ndarray
    peaks: np.ndarray

    @classmethod
    def median(cls, rounds: Sequence[_Round]) -> _Round:
        return cls(*(np.median(np.stack(part), axis=0) for part in zip(*rounds, strict=True)))


class _Bench:
    """All that is timed, compiled; the small loops are native functions on a CPU alone."""

    def __init__(self, cpu: bool):
        self.steps = [_Ready(exercise) for exercise in exercises()]
        self.calls, self.loops = [Tiny(*size) for size in SIZES], [Tiny(*size) for size in LOOPS if cpu]
        self.peaks = [_Ready(product(PRODUCT_SIZE)), _Ready(stream(STREAM_NUMBERS))]

    def round(self, at_once: int) -> _Round:
        """Everything once, so many programs at a time."""
        return _Round(np.array([one.seconds(at_once, DISPATCHES) for one in self.calls]),
                      np.array([one.seconds(at_once) for one in self.steps]),
                      np.array([one.seconds(at_once, LOOP_DISPATCHES).chunk for one in self.loops]),
                      np.array([one.seconds(at_once) for one in self.peaks]))

    def law(self, timed: _Round, cache: float) -> tuple[Rates, np.ndarray]:
        """The rates that explain what was timed, and the relative errors of the steps."""
        host = fit_host(self.calls, [Seconds(*row) for row in timed.calls.tolist()])
        calls = np.array([host.seconds(one.arrays, one.fetched) for one in self.loops])
        lengths = np.array([one.chunk for one in self.loops])
        loops = np.maximum(0.1 * timed.loops, timed.loops - calls) / lengths
        counted = [one.costs for one in (*self.steps, *self.loops)]
        return _fitted(counted, np.concatenate([timed.steps, loops]), cache, host)


class _Ready:
    """An exercise, compiled and run once."""

    def __init__(self, exercise: Exercise):
        self.exercise = exercise
        self.program = Compiled(exercise.call, donate=(0,), thin=exercise.thin)
        self.costs: Costs = costs(self.program.prepare(exercise.state(), np.int32(1)).as_text())
        self._timed(0.0)

    def seconds(self, at_once: int) -> float:
        """Seconds a step of one program, so many of them running; of a loop without its call, which no step has."""
        whole = self._together(at_once, TIMED_SECONDS, self.exercise.steps)
        if not self.exercise.loop:
            return whole
        return max(0.1 * whole, whole - self._together(at_once, TIMED_SECONDS / 10, 0)) / self.exercise.steps

    def _together(self, at_once: int, seconds: float, steps: int) -> float:
        with ThreadPoolExecutor(at_once) as pool:
            return statistics.mean(pool.map(self._timed, [seconds] * at_once, [steps] * at_once))

    def _timed(self, seconds: float, turns: int = 1) -> float:
        """The median of calls of so many steps."""
        jax = prepare_jax()
        state = jax.tree.map(jax.numpy.copy, self.exercise.state())  # given over: no array may be in it twice
        steps, times = np.int32(turns), []
        begun = time.perf_counter()
        while len(times) < 3 or time.perf_counter() - begun < seconds:
            called = time.perf_counter()
            state = _wait(self.program(state, steps))
            times.append(time.perf_counter() - called)
            if seconds == 0.0:
                break
        return statistics.median(times)


def _wait(state: Any) -> Any:
    return prepare_jax().block_until_ready(state)


def _fitted(counted: Sequence[Costs], measured: np.ndarray, cache: float, host: Host) -> tuple[Rates, np.ndarray]:
    """The rates under which the law is nearest to ``measured``, by least squares of relative errors; those errors."""
    from scipy.optimize import nnls

    rows = np.array([features(one, cache) for one in counted])
    scale = rows.max(axis=0)
    used = scale > 0
    found = np.zeros(len(scale))
    found[used] = nnls(rows[:, used] / scale[used] / measured[:, None], np.ones(len(measured)))[0] / scale[used]
    errors = np.abs(rows @ found / measured - 1)
    return Rates(**dict(zip(NAMES, found.tolist(), strict=True)), host=host), errors


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
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (ValueError, OSError, AttributeError):
        return None
