"""The cost model of a step: the counts of a program times the rates of the device; and what bounds it."""

from __future__ import annotations

from typing import Literal

import numpy as np

from fallline.forecast.costs import Costs
from fallline.forecast.rates import Calibration, DeviceRates

NAMES = (
    "operation",
    "cached_byte",
    "streamed_byte",
    "product_operation",
    "large_product_operation",
    "transcendental",
    "native_operation",
    "native_element",
    "native_transcendental",
)
"""The rates in the order of ``features``."""

Bound = Literal["overhead", "memory", "arithmetic"]

BOUNDS: dict[Bound, tuple[int, ...]] = {"overhead": (0, 6), "memory": (1, 2), "arithmetic": (3, 4, 5, 7, 8)}
"""The rates that belong to each bound."""

LARGE_OPERATIONS = 3e7
"""Operations of a matmul from which a CPU uses all cores for it: half a millisecond of one core."""


def features(counted: Costs, cache_bytes: float) -> np.ndarray:
    """How often a step does each of ``NAMES``. All its bytes count as streamed where they exceed the cache."""
    threaded, native = counted.threaded, counted.native
    moved = threaded.bytes + sum(count * product.bytes for count, product in threaded.products)
    streamed = moved > cache_bytes
    large = sum(
        count * product.operations for count, product in threaded.products if product.operations >= LARGE_OPERATIONS
    )
    return np.array(
        [
            threaded.operations,
            0.0 if streamed else moved,
            moved if streamed else 0.0,
            threaded.product_operations - large,
            large,
            threaded.transcendentals,
            native.operations,
            native.elements + native.product_operations,
            native.transcendentals,
        ]
    )


def parts(counted: Costs, rates: DeviceRates, cache_bytes: float) -> np.ndarray:
    """The seconds of a step by rate."""
    return features(counted, cache_bytes) * np.array([getattr(rates, name) for name in NAMES])


def step_seconds(counted: Costs, calibration: Calibration, concurrent: bool = False) -> float:
    """Seconds of a step without its share of a dispatch, alone or with ``concurrent`` programs on every core."""
    rates = calibration.beside if concurrent else calibration.alone
    return float(parts(counted, rates, calibration.cache_bytes).sum())


def bound(counted: Costs, calibration: Calibration, host_seconds: float = 0.0) -> tuple[Bound, float]:
    """What takes most of a step's time by the model, and its share; ``host_seconds`` are those of calls per step."""
    by_rate = parts(counted, calibration.alone, calibration.cache_bytes)
    seconds = {name: float(by_rate[list(places)].sum()) for name, places in BOUNDS.items()}
    seconds["overhead"] += host_seconds
    total = sum(seconds.values())
    most = max(seconds, key=seconds.__getitem__)
    return most, seconds[most] / total if total else 0.0
