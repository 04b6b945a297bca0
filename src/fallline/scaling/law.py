"""The law of a step's time on n devices: overhead + compute + ring all-reduce, fitted to measured steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl


class Step(NamedTuple):
    """A measured step: ``devices`` that each take ``local`` examples. ``sharing`` is how many times as long the same
    compute takes where so many devices compute at once as where one does: 1 where each has silicon of its own.
    """

    devices: int
    local: float
    sharing: float
    seconds: float


class Reduce(NamedTuple):
    """A measured all-reduce of so many bytes, alone."""

    devices: int
    bytes: float
    seconds: float


@dataclass(frozen=True)
class Law:
    """t(n, batch) = sharing (overhead + an_example batch / n) + 2 (n - 1) / n bytes a_byte + 2 (n - 1) a_hop, seconds.

    The ring all-reduce is Patarasuk and Yuan's, 2009: every device sends 2 (n - 1) parts of 1 / n of the bytes.
    ``bytes`` is what is reduced in a step.
    """

    overhead: float
    an_example: float
    a_byte: float
    a_hop: float
    bytes: float

    def compute(self, local: float, sharing: float = 1.0) -> float:
        """Seconds of a step of ``local`` examples without communication."""
        return sharing * (self.overhead + self.an_example * local)

    def communication(self, devices: int, size: float | None = None) -> float:
        """Seconds of an all-reduce of ``size`` bytes, by default those of a step."""
        share, hops = ring(devices)
        return share * (self.bytes if size is None else size) * self.a_byte + hops * self.a_hop

    def step(self, devices: int, batch: float, sharing: float = 1.0) -> float:
        """Seconds of a step of ``batch`` examples over all devices."""
        return self.compute(batch / devices, sharing) + self.communication(devices)

    def pays_from(self, devices: int) -> float | None:
        """The batch from which ``devices`` of their own are faster than one; None where none is."""
        gain = self.an_example * (1 - 1 / devices)
        return self.communication(devices) / gain if gain > 0 else None

    def efficient_from(self, devices: int, efficiency: float) -> float | None:
        """The batch from which the speed-up is at least ``efficiency`` x devices; None where none is.

        one / (n step) >= e for one = o + x b and step = o + x b / n + c, solved for b.
        """
        gain = self.an_example * (1 - efficiency)
        lost = efficiency * devices * (self.overhead + self.communication(devices)) - self.overhead
        return max(lost, 0.0) / gain if gain > 0 else None


def ring(devices: int) -> tuple[float, int]:
    """The share of the bytes that each device sends, and the messages that follow one another."""
    return 2 * (devices - 1) / devices, 2 * (devices - 1)


def fit_law(steps: Sequence[Step], reduces: Sequence[Reduce], size: float) -> Law:
    """The law with the least squares of relative errors, no part below 0; ``size`` is the bytes reduced in a step.

    Each measured step is a row, each all-reduce alone is one.
    """
    from scipy.optimize import nnls

    rows, seconds = [], []
    for step in steps:
        share, hops = ring(step.devices)
        rows.append((step.sharing, step.sharing * step.local, share * size, hops))
        seconds.append(step.seconds)
    for reduce in reduces:
        share, hops = ring(reduce.devices)
        rows.append((0.0, 0.0, share * reduce.bytes, hops))
        seconds.append(reduce.seconds)
    weighed = np.array(rows, float) / np.array(seconds, float)[:, None]
    scale = np.where(weighed.any(axis=0), np.abs(weighed).max(axis=0), 1.0)
    found, _ = nnls(weighed / scale, np.ones(len(seconds)))
    return Law(*(float(value) for value in found / scale), size)


ERRORS = {
    "left_out": pl.String,
    "devices": pl.Int64,
    "local": pl.Float64,
    "measured": pl.Float64,
    "predicted": pl.Float64,
    "error": pl.Float64,
}


def errors(steps: Sequence[Step], reduces: Sequence[Reduce], size: float) -> pl.DataFrame:
    """What the law says of steps it was not fitted to: a row a step, ``error`` = predicted / measured - 1.

    ``left_out`` "each": all else is fitted to. "largest count": only smaller counts of devices are, as when the law
    speaks of more devices than there are. No rows where too few points are left to fit four parts.
    """
    rows = []
    most = max((step.devices for step in steps), default=1)
    for place, step in enumerate(steps):
        rest = [*steps[:place], *steps[place + 1 :]]
        rows += _held("each", rest, reduces, size, [step])
    if sum(1 for count in {step.devices for step in steps} if count > 1) > 1:
        rest = [step for step in steps if step.devices < most]
        alone = [reduce for reduce in reduces if reduce.devices < most]
        rows += _held("largest count", rest, alone, size, [step for step in steps if step.devices == most])
    return pl.DataFrame(rows, schema=ERRORS, orient="row")


def _held(kind: str, rest: Sequence[Step], reduces: Sequence[Reduce], size: float, held: Sequence[Step]) -> list:
    if len(rest) < 3 or len({point.local for point in rest}) < 2:
        return []
    law = fit_law(rest, reduces, size)
    found = []
    for point in held:
        predicted = law.step(point.devices, point.local * point.devices, point.sharing)
        found.append((kind, point.devices, float(point.local), point.seconds, predicted, predicted / point.seconds - 1))
    return found
