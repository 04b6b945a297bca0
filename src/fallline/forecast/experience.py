"""What runs took, against what was predicted of them: each run makes the forecasts of this device better.

A law with a few rates for every program is off by a factor that programs of one kind share, and the same program
repeats. So of each program that ran the ratio of measured to predicted seconds is kept, and the forecast is multiplied
by what such ratios tell: by the median of a program's own as far as it was run, else by that of its kind, both drawn
towards 1 while there are few.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from fallline.forecast.costs import Costs

Observed = dict[str, list[tuple[str, float]]]
"""Of each kind the programs that ran, by name, and measured over predicted seconds; the latest last."""

MOST_OF_A_KIND, MOST_OF_A_PROGRAM = 64, 8
"""Ratios that are kept."""

ABSURD = 30.0
"""A ratio beyond it either way says that something else happened: the machine slept, or was another one."""

MOST_FACTOR = 8.0
"""By which a forecast is ever multiplied or divided."""

DOUBT_OF_A_KIND, DOUBT_OF_A_PROGRAM = 1.0, 0.5
"""How many observations the law weighs against a kind's, and a kind's against a program's own."""

LEAST_UNSURE, KNOWN_UNSURE = 1.1, 1.3
"""The narrowest range, as a factor on either side, and that of a program that ran once or twice."""


class Correction(NamedTuple):
    """What a forecast is multiplied by, by which factor the truth may then lie on either side, and how many runs say
    so."""

    factor: float = 1.0
    unsure: float = 2.0
    runs: int = 0


class Observation(NamedTuple):
    """A program that ran: its kind, its name, its seconds by the law and as measured."""

    kind: str
    program: str
    predicted_seconds: float
    measured_seconds: float


def kind(part: str, costs: Costs, beside: bool) -> str:
    """Programs whose forecasts are off alike: "step, convolutions, beside others"."""
    products = [product for _, product in costs.threaded.products]
    if costs.native.operations > costs.threaded.operations:
        what = "small loops"
    elif any(product.kind == "convolution" for product in products):
        what = "convolutions"
    else:
        what = "matmuls" if products else "passes"
    return f"{part}, {what}, {'beside others' if beside else 'alone'}"


def learn(observed: Observed, seen: Iterable[Observation]) -> Observed:
    """What was observed, with what was ``seen`` now; the eldest of a kind and of a program are forgotten."""
    found = {name: list(ratios) for name, ratios in observed.items()}
    for one in seen:
        if not (one.predicted_seconds > 0 and one.measured_seconds > 0):
            continue
        ratio = one.measured_seconds / one.predicted_seconds
        if not 1 / ABSURD < ratio < ABSURD:
            continue
        kept = found.setdefault(one.kind, [])
        own = [place for place, (program, _) in enumerate(kept) if program == one.program]
        if len(own) >= MOST_OF_A_PROGRAM:
            del kept[own[0]]
        kept.append((one.program, ratio))
        del kept[:-MOST_OF_A_KIND]
    return found


def correction(
    observed: Mapping[str, list[tuple[str, float]]], of_kind: str, program: str, unsure: float
) -> Correction:
    """What is known of a program of that kind, whose forecast by the law alone is off by ``unsure`` at most."""
    ratios: dict[str, list[float]] = {}
    for name, ratio in observed.get(of_kind, ()):
        ratios.setdefault(name, []).append(math.log(ratio))
    own = ratios.get(program, []) if program else []
    middles = [statistics.median(each) for each in ratios.values()]  # a program that ran often is one of its kind
    shift = _drawn(middles, 0.0, DOUBT_OF_A_KIND)
    span = math.log(unsure)
    if len(middles) > 2:
        span = min(span, _span(middles, shift))
    if own:
        shift = _drawn(own, shift, DOUBT_OF_A_PROGRAM)
        span = min(span, _span(own, shift) if len(own) > 2 else math.log(KNOWN_UNSURE))
    most = math.log(MOST_FACTOR)
    return Correction(
        math.exp(max(-most, min(most, shift))),
        math.exp(max(span, math.log(LEAST_UNSURE))),
        sum(map(len, ratios.values())),
    )


def _drawn(logs: list[float], towards: float, doubt: float) -> float:
    """The median, drawn towards what was thought before as if that were so many observations."""
    if not logs:
        return towards
    return (len(logs) * statistics.median(logs) + doubt * towards) / (len(logs) + doubt)


def _span(logs: list[float], middle: float) -> float:
    """Twice the spread of observations about ``middle``, by their median distance, which one stray does not move."""
    return 2 * 1.4826 * statistics.median(abs(one - middle) for one in logs)
