"""The measurement in sentences: should one use more devices, on which axis, from what batch, and how sure is that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from fallline.report import formatting
from fallline.scaling.judged import ASKED, BEYOND, GOOD, LITTLE

if TYPE_CHECKING:
    from fallline.report.scaling.result import Scaled


def sentences(scaled: Scaled) -> list[str]:
    """The answer first; then what it rests on, what a split costs, and what many devices would give."""
    judged = scaled.judged
    if judged.count is None:
        return [
            f"Only one device was measured: {_milliseconds(scaled.measured.medians['seconds'][0])} a step of "
            f"{scaled.measured.medians['width'][0]}. Name more with --devices 1,2,4."
        ]
    found = _shared(scaled) if judged.shared else _own(scaled)
    return [*found, *_communication(scaled), *_many(scaled), *_sure(scaled)]


def thing(scaled: Scaled) -> str:
    """What the devices are called."""
    return "GPUs" if scaled.facts["platform"] == "gpu" else "devices"


def _own(scaled: Scaled) -> list[str]:
    """Devices of their own: what was measured is the answer."""
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
        beyond = f"; by the law it would from about {formatting.count(law)}" if law and law > most else ""
        found.append(
            f"Splitting a batch over {n} paid at none of the sizes measured (up to {formatting.count(most)}){beyond}."
        )
    else:
        found.append(
            f"Splitting a batch over {n} pays from {formatting.count(judged.pays_from)} examples on: faster than "
            "one device in every repeat, there and at every larger size measured."
        )
    return found


def _shared(scaled: Scaled) -> list[str]:
    """Devices cut out of one CPU: the law answers, the measured speed-up is told as what it is."""
    judged, law, batch = scaled.judged, scaled.judged.points.law, scaled.judged.batch
    n = max(judged.devices, ASKED)
    one = law.step(1, batch)
    gains = {"trial": float(n), "weak": n * one / law.step(n, n * batch), "strong": one / law.step(n, batch)}
    told = {kind: f"{formatting.number(gain, 2)} times" for kind, gain in gains.items()}
    found = [_answer(n, "devices of their own", batch, gains, told, " by the law fitted here")]
    said = []
    if judged.trials:
        said.append(f"a trial on each did {times(judged.trials)} the work of one")
    if judged.split:
        said.append(f"one batch of {formatting.count(judged.split['batch'])} was trained {times(judged.split)} as fast")
    so = (
        "more devices than cores, so nothing can get faster"
        if judged.devices > judged.cores
        else ("all of which one device may use as well")
    )
    found.append(
        f"Here {judged.devices} devices are cut out of one CPU and share its "
        f"{formatting.plural(judged.cores, 'core')}, {so}: {', and '.join(said)}. Read no speed-up of other "
        "devices off these, only what the split itself costs."
    )
    pays, good = law.pays_from(n), law.efficient_from(n, GOOD)
    if pays is None:
        found.append("By the law no batch is large enough for a split to pay: an example more costs nothing.")
    else:
        found.append(
            f"By the law a split over {n} pays from a batch of {formatting.count(max(n, pays))}, and reaches "
            f"{100 * GOOD:.0f} % of {n} times the speed from {formatting.count(max(n, good or n))}."
        )
    return found


def _answer(n: int, things: str, batch: int, gains: dict[str, float], said: dict[str, str], how: str = "") -> str:
    """Use them or not, and for what; ``gains`` are speed-ups by "trial", "weak" and "strong", ``said`` the same in
    words."""
    names = {
        "trial": "trials side by side",
        "weak": f"larger batches ({formatting.count(batch)} each)",
        "strong": f"one batch of {formatting.count(batch)}",
    }
    good = [names[kind] for kind, gain in gains.items() if gain / n >= GOOD]
    poor = [names[kind] for kind, gain in gains.items() if gain <= LITTLE]
    some = [names[kind] for kind in gains if names[kind] not in (*good, *poor)]
    if good:
        verdict = f"Use {n} {things} for {formatting.listed(good)}"
        verdict += f", with loss for {formatting.listed(some)}" if some else ""
    elif some:
        verdict = f"Use {n} {things} only where they are idle anyway, for {formatting.listed(some)}"
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
        f"Adding up the gradients ({formatting.size(scaled.measured.bytes)}) takes "
        f"{_milliseconds(row['communication'])} alone, {percent(share)} of a step of "
        f"{formatting.count(row['batch'])} over {row['devices']} ({_milliseconds(row['seconds'])})."
    ]


def _many(scaled: Scaled) -> list[str]:
    """What 8, 64 and 512 devices would give, by the law."""
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
        f"By the law, {first}; a batch of {formatting.count(judged.batch)} on each of {many} does {held} times "
        f"the work "
        "of one; trials side by side as many times as there are devices."
    ]


def _sure(scaled: Scaled) -> list[str]:
    """How far the law is off where it was not fitted."""
    errors = scaled.errors
    if errors.is_empty():
        return ["Too few sizes were measured to hold the law against points it was not fitted to."]
    said = []
    for kind, text in (("each", "a point held out"), ("largest count", "the largest count of devices held out")):
        own = errors.filter(pl.col("left_out") == kind)["error"].abs()
        if own.len():
            said.append(f"{percent(own.median())} on {text} (median; at worst {percent(own.max())})")
    return [f"The law is off by {' and '.join(said)}."]


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
