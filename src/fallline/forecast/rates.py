"""What a device can do: seconds of each thing that programs do, and the figures of one device."""

from __future__ import annotations

from dataclasses import dataclass, field

from fallline.forecast.experience import Observed
from fallline.forecast.host import Host


@dataclass(frozen=True)
class DeviceRates:
    """Seconds of each thing a program does; a step's time is their sum. None of them is below 0.

    ``operation``: starting one operation; ``cached_byte`` and ``streamed_byte``: a byte of a step whose arrays stay in
    the last cache, or do not; ``product_operation``: a multiplication or addition of a product, as training steps have
    them, ``large_product_operation`` of one that keeps all cores busy; ``transcendental``: an exponential or logarithm.
    ``native_*`` hold in small loops that the CPU runs as one function. ``host``: calling programs,
    fetching their records.
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
    """A device's figures. ``alone`` are those of one program at a time, ``beside`` of as many at once as there are
    cores, each on a thread of its own (of an accelerator the same).

    ``product_flops`` is the rate of a large float32 product, ``memory_bytes_per_second`` of a pass over an array larger
    than any cache, ``dispatch_seconds`` a call that computes next to nothing, ``page_byte`` the seconds of a byte of
    new memory, which the system clears when it is first written to (0 on an accelerator). ``spread`` is the typical
    error of the law on the programs it was fitted to, relative. ``source`` says where the figures are from,
    ``observed`` what runs took against what the law said of them.
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
        """How many times the programs of a cohort were seen to run."""
        return sum(len(ratios) for kind, ratios in self.observed.items() if kind.startswith("step"))
