"""The calibration of this device: measured once, in a second or two, kept on disk, and corrected by later runs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fallline.engine.devices import device_name
from fallline.engine.disk_cache import cached, get, put
from fallline.forecast.data_sheets import from_sheet
from fallline.forecast.experience import Observation, learn
from fallline.forecast.host import Host
from fallline.forecast.rates import Calibration, DeviceRates

FORMAT = 5
"""The format of the file; a file of another format is measured again."""


def calibrate(
    device: str | None = None, again: bool = False, on_message: Callable[[str], None] | None = None
) -> Calibration:
    """The calibration of the device that programs run on, from disk or measured now, which takes a second or two.

    ``device`` names another device, whose rates come from its data sheet (UnknownName where there is none). ``again``
    measures although there is a calibration; ``on_message`` is called before measuring.
    """
    if device is not None and device != device_name():
        return from_sheet(device)
    known = None if again else recall()
    if known is not None:
        return known
    if on_message is not None:
        on_message("calibrating this device, once")
    from fallline.forecast.measuring import measure

    measured = measure()
    _remember(measured)
    return measured


def refine(observations: Iterable[Observation]) -> None:
    """Correct this device's calibration by programs that have run; nothing where there is no calibration.

    A run calls it at its end. It writes a small file.
    """
    known = recall()
    if known is not None:
        _remember(replace(known, observed=learn(known.observed, observations)))


def recall(device: str | None = None) -> Calibration | None:
    """The calibration of this device from disk, None where there is none that can be used; ``device`` is this device's
    name where it is known without asking JAX.
    """
    content = get(_path(device or device_name()))
    if content is None:
        return None
    try:
        written: dict[str, Any] = json.loads(content)
        if written.pop("format") != FORMAT or written["jax"] != version("jax"):
            return None
        rates = {name: _rates(**written.pop(name)) for name in ("alone", "beside")}
        observed = {
            str(kind): [(str(program), float(ratio)) for program, ratio in ratios]
            for kind, ratios in written.pop("observed").items()
        }
        names = {field.name for field in fields(Calibration)}
        return Calibration(
            **rates, observed=observed, **{name: value for name, value in written.items() if name in names}
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _rates(host: list[float], **rates: float) -> DeviceRates:
    return DeviceRates(**rates, host=Host(*host))


def _path(device: str) -> Path:
    """The file of a device's calibration."""
    name = re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")
    return cached("calibrations", f"{name}.json")


def _remember(calibration: Calibration) -> None:
    """Keep it; where nothing can be written, measuring again next time costs seconds."""
    put(_path(calibration.device), json.dumps({"format": FORMAT} | asdict(calibration), indent=1).encode())
