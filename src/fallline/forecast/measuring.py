"""Calibrating the device at hand: exercises timed alone and side by side, and the law fitted to them."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from fallline.engine.compiled import Compiled
from fallline.engine.devices import cores, device_name, prepare_jax
from fallline.forecast.calibration import Calibration, Rates
from fallline.forecast.exercises import Exercise, exercises, nothing, product, stream
from fallline.forecast.hlo import Costs, costs
from fallline.forecast.laws import NAMES, features

TIMED_SECONDS = 0.1
"""How long each exercise is timed, at least three calls of it; the fastest counts."""

PRODUCT_SIZE, STREAM_NUMBERS = 1024, 2**24
CACHE_BYTES = 16e6
"""Of the last cache, where the system does not tell."""


def measure() -> Calibration:
    """The calibration of this device, measured now."""
    jax = prepare_jax()
    cpu = jax.default_backend() == "cpu"
    every = [*(exercises(small=True) if cpu else []), *exercises(small=False)]
    ready = [_Ready(exercise) for exercise in every]
    cache = _cache_bytes()
    alone = [one.seconds(1) for one in ready]
    dispatch = _Ready(nothing()).seconds(1)
    many = cores() if cpu else 1
    beside = alone if many == 1 else [one.seconds(many) for one in ready]
    counted = [one.costs for one in ready]
    rates, errors = zip(*(_fitted(counted, [own.exercise.steps for own in ready], times, cache, dispatch)
                          for times in (alone, beside)), strict=True)
    return Calibration(device_name(), 2 * PRODUCT_SIZE**3 / _Ready(product(PRODUCT_SIZE)).seconds(1),
                       8 * STREAM_NUMBERS / _Ready(stream(STREAM_NUMBERS)).seconds(1), dispatch, cache, _memory_bytes(),
                       *rates, float(np.median(errors[0])), when=time.strftime("%Y-%m-%d"), jax=jax.__version__)


class _Ready:
    """An exercise, compiled and run once."""

    def __init__(self, exercise: Exercise):
        self.exercise = exercise
        self.program = Compiled(exercise.call, thin=exercise.thin)
        self.costs: Costs = costs(self.program.prepare(exercise.state(), np.int32(1)).as_text())
        self._timed(0.0)

    def seconds(self, at_once: int) -> float:
        """Seconds a step of one program, so many of them running."""
        if at_once == 1:
            return self._timed(TIMED_SECONDS)
        with ThreadPoolExecutor(at_once) as pool:
            return statistics.mean(pool.map(self._timed, [TIMED_SECONDS] * at_once))

    def _timed(self, seconds: float) -> float:
        state, steps, times = self.exercise.state(), np.int32(self.exercise.steps), []
        begun = time.perf_counter()
        while len(times) < 3 or time.perf_counter() - begun < seconds:
            called = time.perf_counter()
            state = _wait(self.program(state, steps))
            times.append(time.perf_counter() - called)
            if seconds == 0.0:
                break
        return min(times) / self.exercise.steps


def _wait(state: Any) -> Any:
    return prepare_jax().block_until_ready(state)


def _fitted(counted: Sequence[Costs], steps: Sequence[int], times: Sequence[float], cache: float,
            dispatch: float) -> tuple[Rates, np.ndarray]:
    """The rates under which the law is nearest to ``times``, by least squares of its relative errors; those errors."""
    from scipy.optimize import nnls

    rows = np.array([features(one, cache) for one in counted])
    measured = np.maximum(np.array(times) - dispatch / np.array(steps), 0.1 * np.array(times))
    scale = rows.max(axis=0)
    used = scale > 0
    found = np.zeros(len(scale))
    found[used] = nnls(rows[:, used] / scale[used] / measured[:, None], np.ones(len(measured)))[0] / scale[used]
    errors = np.abs(rows @ found / measured - 1)
    return Rates(**dict(zip(NAMES, found.tolist(), strict=True)), dispatch=dispatch), errors


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
