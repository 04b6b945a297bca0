"""The speed of a device: seconds of each kind of operation, and the calibration of one device."""

from __future__ import annotations

from dataclasses import dataclass, field

from fallline.forecast.experience import Observed
from fallline.forecast.host import Host


@dataclass(frozen=True)
class DeviceRates:
    """Seconds of each kind of operation; the time of a step is their sum. No rate is negative.

    ``operation``: starting one operation; ``cached_byte`` and ``streamed_byte``: a byte of a step whose arrays stay in
    the last-level cache, or do not; ``product_operation``: a multiplication or addition of a matmul in a training step,
    ``large_product_operation`` of a matmul that keeps all cores busy; ``transcendental``: an exponential or logarithm.
    ``native_*`` apply to small loops that the CPU runs as one function. ``host``: calling programs and fetching their
    records.
    """

    operation: float
    cached_byte: float
    streamed_byte: float
    product_operation: float
    large_product_operation: float
    transcendental: float
    native_operation: float
    native_element: float
    native_transcendental: float
    host: Host


@dataclass(frozen=True)
class Calibration:
    """The calibration of a device. ``alone`` are the rates of one program at a time, ``beside`` those of as many
    concurrent programs as there are cores, each on its own thread (on an accelerator the same rates).

    ``product_flops`` is the throughput of a large float32 matmul, ``memory_bytes_per_second`` that of a pass over an
    array larger than any cache, ``dispatch_seconds`` the time of a call that computes almost nothing, ``page_byte`` the
    seconds per byte of new memory, which the system clears on the first write (0 on an accelerator). ``spread`` is the
    typical relative error of the cost model on the programs that it was fitted to. ``source`` says where the rates are
    from, ``observed`` holds measured over predicted times of earlier runs.
    """

    device: str
    product_flops: float
    memory_bytes_per_second: float
    dispatch_seconds: float
    cache_bytes: float
    memory_bytes: float | None
    alone: DeviceRates
    beside: DeviceRates
    spread: float
    source: str = "measured here"
    when: str = ""
    jax: str = ""
    page_byte: float = 0.0
    observed: Observed = field(default_factory=dict)

    @property
    def measured(self) -> bool:
        return self.source == "measured here"

    @property
    def runs(self) -> int:
        """How many runs of training programs were observed."""
        return sum(len(ratios) for kind, ratios in self.observed.items() if kind.startswith("step"))
