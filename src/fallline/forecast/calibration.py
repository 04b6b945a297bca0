"""What this device can do, measured once for a second or two and kept on disk, with what runs took since."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fallline.engine.devices import cache_folder, device_name
from fallline.forecast.experience import Observation, Observed, learn
from fallline.forecast.host import Host

FORMAT = 5
"""Of the file; what another version wrote is measured anew."""


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


def calibrate(device: str | None = None, again: bool = False, tell: Callable[[str], None] | None = None) -> Calibration:
    """The calibration of the device programs run on, from disk, or measured now, which takes a second or two.

    ``device`` names one that is not here: its figures are those of its data sheet (UnknownName where there is none).
    ``again`` measures though there is a calibration; ``tell`` hears what is being done.
    """
    from fallline.forecast.data_sheets import from_sheet

    if device is not None and device != device_name():
        return from_sheet(device)
    known = None if again else recall()
    if known is not None:
        return known
    if tell is not None:
        tell("calibrating this device, once")
    from fallline.forecast.measuring import measure

    found = measure()
    _remember(found)
    return found


def refine(seen: Iterable[Observation]) -> None:
    """Let this device's calibration learn from programs that ran; without a calibration there is nothing to correct.

    A run calls it when it is over. It costs a small file.
    """
    known = recall()
    if known is not None:
        _remember(replace(known, observed=learn(known.observed, seen)))


def recall(device: str | None = None) -> Calibration | None:
    """The calibration of this device, or of the ``device`` that is known to be this one, on disk; None where there is
    none that can be used.
    """
    try:
        written: dict[str, Any] = json.loads(_place(device or device_name()).read_text(encoding="utf-8"))
        if written.pop("format") != FORMAT or written["jax"] != version("jax"):
            return None
        rates = {name: _rates(**written.pop(name)) for name in ("alone", "beside")}
        observed = {
            str(kind): [(str(program), float(ratio)) for program, ratio in ratios]
            for kind, ratios in written.pop("observed").items()
        }
        names = {own.name for own in fields(Calibration)}
        return Calibration(
            **rates, observed=observed, **{name: value for name, value in written.items() if name in names}
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _rates(host: list[float], **own: float) -> DeviceRates:
    return DeviceRates(**own, host=Host(*host))


def _place(device: str) -> Path:
    """The file of a device."""
    name = re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")
    return cache_folder() / "calibrations" / f"{name}.json"


def _remember(found: Calibration) -> None:
    place = _place(found.device)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        aside = place.with_suffix(f".{time.monotonic_ns()}")
        aside.write_text(json.dumps({"format": FORMAT} | asdict(found), indent=1), encoding="utf-8")
        aside.replace(place)
    except OSError:
        return  # measuring again next time costs seconds; a plan must not fail for it
