"""Measured against predicted times: each run corrects the later forecasts of this device.

A cost model with a few rates for all programs is off by a factor that programs of one kind share, and that repeats for
the same program. So the ratio of measured to predicted seconds is kept for each program that has run, and forecasts are
multiplied by the median of the program's own ratios, or of those of its kind; both are shrunk towards 1 while there are
few.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from fallline.forecast.costs import Costs

Observed = dict[str, list[tuple[str, float]]]
"""By kind: names of programs that have run and their ratios of measured to predicted seconds; the latest last."""

MOST_OF_A_KIND, MOST_OF_A_PROGRAM = 64, 8
"""The number of ratios that are kept."""

ABSURD = 30.0
"""Ratios above this factor or below its inverse are ignored: the machine slept, or was another one."""

MOST_FACTOR = 8.0
"""The largest factor by which a forecast is multiplied or divided."""

DOUBT_OF_A_KIND, DOUBT_OF_A_PROGRAM = 1.0, 0.5
"""The weight, in observations, of the cost model against a kind's ratios, and of a kind's against a program's own."""

LEAST_UNSURE, KNOWN_UNSURE = 1.1, 1.3
"""The narrowest range, as a factor in either direction, and the range of a program that has run once or twice."""


class Correction(NamedTuple):
    """The factor a forecast is multiplied by, the factor in either direction within which the true value then lies, and
    the number of observed runs."""

    factor: float = 1.0
    unsure: float = 2.0
    runs: int = 0


class Observation(NamedTuple):
    """A program that has run: its kind, its name, its predicted and measured seconds."""

    kind: str
    program: str
    predicted_seconds: float
    measured_seconds: float


def kind(part: str, costs: Costs, concurrent: bool) -> str:
    """The kind of a program, which shares the error of its forecasts: "step, convolutions, beside others"."""
    products = [product for _, product in costs.threaded.products]
    if costs.native.operations > costs.threaded.operations:
        what = "small loops"
    elif any(product.kind == "convolution" for product in products):
        what = "convolutions"
    else:
        what = "matmuls" if products else "passes"
    return f"{part}, {what}, {'beside others' if concurrent else 'alone'}"


def learn(observed: Observed, observations: Iterable[Observation]) -> Observed:
    """The observed ratios with new ``observations``; the oldest of a kind and of a program are dropped."""
    learned = {name: list(ratios) for name, ratios in observed.items()}
    for observation in observations:
        if not (observation.predicted_seconds > 0 and observation.measured_seconds > 0):
            continue
        ratio = observation.measured_seconds / observation.predicted_seconds
        if not 1 / ABSURD < ratio < ABSURD:
            continue
        kept = learned.setdefault(observation.kind, [])
        of_program = [place for place, (program, _) in enumerate(kept) if program == observation.program]
        if len(of_program) >= MOST_OF_A_PROGRAM:
            del kept[of_program[0]]
        kept.append((observation.program, ratio))
        del kept[:-MOST_OF_A_KIND]
    return learned


def correction(
    observed: Mapping[str, list[tuple[str, float]]], of_kind: str, program: str, unsure: float
) -> Correction:
    """The correction of a program of that kind; without observations its forecast is off by ``unsure`` at most."""
    ratios: dict[str, list[float]] = {}
    for name, ratio in observed.get(of_kind, ()):
        ratios.setdefault(name, []).append(math.log(ratio))
    of_program = ratios.get(program, []) if program else []
    medians = [statistics.median(each) for each in ratios.values()]  # a program counts once, however often it ran
    shift = _shrunk(medians, 0.0, DOUBT_OF_A_KIND)
    span = math.log(unsure)
    if len(medians) > 2:
        span = min(span, _span(medians, shift))
    if of_program:
        shift = _shrunk(of_program, shift, DOUBT_OF_A_PROGRAM)
        span = min(span, _span(of_program, shift) if len(of_program) > 2 else math.log(KNOWN_UNSURE))
    most = math.log(MOST_FACTOR)
    return Correction(
        math.exp(max(-most, min(most, shift))),
        math.exp(max(span, math.log(LEAST_UNSURE))),
        sum(map(len, ratios.values())),
    )


def _shrunk(logs: list[float], towards: float, doubt: float) -> float:
    """The median, shrunk towards a prior value that weighs as much as ``doubt`` observations."""
    if not logs:
        return towards
    return (len(logs) * statistics.median(logs) + doubt * towards) / (len(logs) + doubt)


def _span(logs: list[float], middle: float) -> float:
    """Twice the standard deviation about ``middle``, estimated by the median absolute deviation (robust to
    outliers).
    """
    return 2 * 1.4826 * statistics.median(abs(log - middle) for log in logs)
