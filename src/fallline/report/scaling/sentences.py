"""The measurement in sentences: whether to use more devices, on which axis, from which batch size, and how certain
that is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from fallline.report import formatting
from fallline.scaling.judged import ASKED, BEYOND, GOOD, LITTLE

if TYPE_CHECKING:
    from fallline.report.scaling.result import Scaled


def sentences(scaled: Scaled) -> list[str]:
    """The answer; then its basis, the cost of a split, and the prediction for many devices."""
    judged = scaled.judged
    if judged.count is None:
        return [
            f"Only one device was measured: {_milliseconds(scaled.measured.medians['seconds'][0])} a step of "
            f"{scaled.measured.medians['width'][0]}. Measure more with --devices 1,2,4."
        ]
    found = _shared(scaled) if judged.shared else _own(scaled)
    return [*found, *_communication(scaled), *_many(scaled), *_sure(scaled)]


def thing(scaled: Scaled) -> str:
    """The name of the devices."""
    return "GPUs" if scaled.facts["platform"] == "gpu" else "devices"


def _own(scaled: Scaled) -> list[str]:
    """Separate devices: the measurement is the answer."""
    judged, things, n = scaled.judged, thing(scaled), scaled.judged.devices
    rows = {"trial": judged.trials, "weak": judged.weak, "strong": judged.split}
    found = [
        _answer(
            n,
            things,
            judged.batch,
            {kind: row["speed_up"] for kind, row in rows.items() if row},
            {kind: times(row) for kind, row in rows.items() if row},
        )
    ]
    split = judged.measured("data", "strong")
    if split.is_empty():
        return found
    if judged.pays_from is None:
        law, most = judged.points.law.pays_from(n), split["batch"].max()
        beyond = f"; by the fitted model it would from about {formatting.count(law)}" if law and law > most else ""
        found.append(
            f"Splitting a batch over {n} was not faster at any measured size (up to {formatting.count(most)}){beyond}."
        )
    else:
        found.append(
            f"Splitting a batch over {n} is faster from {formatting.count(judged.pays_from)} examples on: in "
            f"every repeat, there and at every larger measured size."
        )
    return found


def _shared(scaled: Scaled) -> list[str]:
    """Devices that share one CPU: the fitted model answers; the measured speed-up is given for information."""
    judged, law, batch = scaled.judged, scaled.judged.points.law, scaled.judged.batch
    n = max(judged.devices, ASKED)
    one = law.step(1, batch)
    gains = {"trial": float(n), "weak": n * one / law.step(n, n * batch), "strong": one / law.step(n, batch)}
    told = {kind: f"{formatting.number(gain, 2)} times" for kind, gain in gains.items()}
    found = [_answer(n, "separate devices", batch, gains, told, " by the model fitted here")]
    said = []
    if judged.trials:
        said.append(f"a trial on each did {times(judged.trials)} the work of one")
    if judged.split:
        said.append(f"one batch of {formatting.count(judged.split['batch'])} was trained {times(judged.split)} as fast")
    so = (
        "more devices than cores, so no speed-up is possible"
        if judged.devices > judged.cores
        else ("all of which one device can use as well")
    )
    found.append(
        f"Here {judged.devices} devices share one CPU with its "
        f"{formatting.plural(judged.cores, 'core')}, {so}: {', and '.join(said)}. This is no prediction for "
        f"separate devices; it only shows the cost of the split itself."
    )
    pays, good = law.pays_from(n), law.efficient_from(n, GOOD)
    if pays is None:
        found.append("By the fitted model no batch is large enough for a split: an additional example costs nothing.")
    else:
        found.append(
            f"By the fitted model a split over {n} is faster from a batch of {formatting.count(max(n, pays))}, "
            f"and reaches "
            f"{100 * GOOD:.0f} % of {n} times the speed from {formatting.count(max(n, good or n))}."
        )
    return found


def _answer(n: int, things: str, batch: int, gains: dict[str, float], said: dict[str, str], how: str = "") -> str:
    """Whether to use them, and for what; ``gains`` are speed-ups by "trial", "weak" and "strong", ``said`` the same
    as text.
    """
    names = {
        "trial": "parallel trials",
        "weak": f"larger batches ({formatting.count(batch)} each)",
        "strong": f"one batch of {formatting.count(batch)}",
    }
    good = [names[kind] for kind, gain in gains.items() if gain / n >= GOOD]
    poor = [names[kind] for kind, gain in gains.items() if gain <= LITTLE]
    some = [names[kind] for kind in gains if names[kind] not in (*good, *poor)]
    if good:
        verdict = f"Use {n} {things} for {formatting.listed(good)}"
        verdict += f", with low efficiency for {formatting.listed(some)}" if some else ""
    elif some:
        verdict = f"Use {n} {things} only where they would be idle, for {formatting.listed(some)}"
    else:
        verdict = f"Do not use {n} {things} for this"
    verdict += f", not for {' nor for '.join(poor)}" if poor and (good or some) else ""
    parts = {
        "trial": "a trial on each does {} the work of one",
        "weak": f"a batch of {formatting.count(batch)} each {{}}",
        "strong": f"one batch of {formatting.count(batch)} over all {n} is trained {{}} as fast",
    }
    facts = [parts[kind].format(said[kind]) for kind in gains]
    return f"{verdict}:{how} {', '.join(facts)}."


def _communication(scaled: Scaled) -> list[str]:
    parts = scaled.parts
    if parts.is_empty():
        return []
    own = parts.filter(count=scaled.judged.count)
    if own.is_empty():
        return []
    row = min(own.iter_rows(named=True), key=lambda one: abs(one["batch"] - scaled.judged.batch))
    share = row["communication"] / row["seconds"]
    return [
        f"The all-reduce of the gradients ({formatting.size(scaled.measured.bytes)}) takes "
        f"{_milliseconds(row['communication'])} alone, {percent(share)} of a step of "
        f"{formatting.count(row['batch'])} over {row['devices']} ({_milliseconds(row['seconds'])})."
    ]


def _many(scaled: Scaled) -> list[str]:
    """The prediction for 8, 64 and 512 devices."""
    judged = scaled.judged
    rows = judged.forecast.filter(batch=judged.batch, axis="data")
    strong, weak = (
        {row["devices"]: row["speed_up"] for row in rows.filter(scaling=kind).iter_rows(named=True)}
        for kind in ("strong", "weak")
    )
    split = [f"{n} devices {formatting.number(strong[n], 2)}" for n in BEYOND if n in strong]
    few = [str(n) for n in BEYOND if n not in strong]
    left = f" (fewer examples than {formatting.listed(few)} devices)" if few else ""
    held = formatting.listed([f"{formatting.number(weak[n], 3)}" for n in BEYOND])
    batch = f"one batch of {formatting.count(judged.batch)}"
    first = (
        f"{batch}{left} is trained by {formatting.listed(split)} times as fast as by one"
        if split
        else (f"{batch} has too few examples to split{left}")
    )
    many = formatting.listed([str(n) for n in BEYOND])
    return [
        f"By the fitted model, {first}; a batch of {formatting.count(judged.batch)} on each of {many} does "
        f"{held} times "
        f"the work "
        "of one; parallel trials scale with the number of devices."
    ]


def _sure(scaled: Scaled) -> list[str]:
    """The error of the fitted model on held-out points."""
    errors = scaled.errors
    if errors.is_empty():
        return ["Too few sizes were measured to test the fitted model on held-out points."]
    said = []
    for kind, text in (("each", "a held-out point"), ("largest count", "the held-out largest number of devices")):
        own = errors.filter(pl.col("left_out") == kind)["error"].abs()
        if own.len():
            said.append(f"{percent(own.median())} on {text} (median; maximum {percent(own.max())})")
    return [f"The error of the fitted model is {' and '.join(said)}."]


def times(row: dict) -> str:
    """A speed-up with the range over repeats: "3.8 times (3.6 to 3.9)"."""
    low, high = formatting.number(row["speed_up_low"], 2), formatting.number(row["speed_up_high"], 2)
    spread = "" if low == high else f" ({low} to {high})"
    return f"{formatting.number(row['speed_up'], 2)} times{spread}"


def percent(share: float) -> str:
    """A share: "3.4 %", "34 %"."""
    return f"{formatting.setting(float(f'{100 * share:.2g}'))} %"


def _milliseconds(seconds: float) -> str:
    return f"{formatting.number(1e3 * seconds, 3)} ms" if seconds < 1 else formatting.seconds(seconds)
