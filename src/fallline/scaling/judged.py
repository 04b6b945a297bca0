"""What the measured steps say: from what batch a split pays, what more devices would give, which axis to use."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import polars as pl

from fallline.scaling.points import STRONG, WEAK, Points

BEYOND = (8, 64, 512)
"""Counts of devices that the law speaks of."""

LITTLE, GOOD = 1.05, 0.7
"""A speed-up that is worth no second device, and the efficiency from which devices earn their keep."""

ASKED = 4
"""The devices that people ask about."""


@dataclass(frozen=True, eq=False)
class Judged:
    """The points of a study and the batch that it trains with first, ``batch``.

    ``shared`` says that devices are cut out of one CPU of ``cores``: then what is measured says nothing about the
    speed-up of devices of their own, and the law is asked.
    """

    points: Points
    batch: int
    shared: bool
    cores: int

    @cached_property
    def count(self) -> str | None:
        """The count of devices that the answer is about: 4 where it was measured, else the most on one host."""
        own = [name for name in self.points.counts if "x" not in name and name != "1"]
        return None if not own else str(ASKED) if str(ASKED) in own else max(own, key=int)

    @cached_property
    def devices(self) -> int:
        return 1 if self.count is None else int(self.count)

    def measured(self, axis: str, scaling: str, count: str | None = None) -> pl.DataFrame:
        """The rows of one axis, smallest batch first."""
        rows = self.points.axes
        if rows.is_empty():
            return rows
        return rows.filter(axis=axis, scaling=scaling, count=count or self.count).sort("batch")

    @cached_property
    def trials(self) -> dict | None:
        """A trial on each device against one: at the measured batch nearest to the study's."""
        return self._nearest(self.measured("trial", "both"))

    @cached_property
    def split(self) -> dict | None:
        """One batch over the devices against one device: at the measured batch nearest to the study's."""
        return self._nearest(self.measured("data", STRONG))

    @cached_property
    def weak(self) -> dict | None:
        """A batch on each device against one device: at the measured batch nearest to the study's."""
        return self._nearest(self.measured("data", WEAK))

    @cached_property
    def pays_from(self) -> int | None:
        """The least measured batch from which on a split is faster in every repeat; None where none is."""
        rows = self.measured("data", STRONG)
        good = (rows["speed_up_low"] > 1).to_list() if rows.height else []
        place = len(good)
        while place and good[place - 1]:
            place -= 1
        return None if place == len(good) else int(rows["batch"][place])

    @cached_property
    def forecast(self) -> pl.DataFrame:
        """One row a (count, batch, scaling) by the law, for devices of their own: the measured counts and 8, 64, 512.

        A split gives every device an example at least: where a batch has fewer, the row is left out. ``axis`` trial:
        trials side by side have nothing to say to each other.
        """
        law, rows = self.points.law, []
        counts = sorted({*(self.points.devices(name) for name in self.points.counts), *BEYOND} - {1})
        for batch in sorted({self.batch, *self.points.sizes}):
            one = law.step(1, batch)
            for n in counts:
                if batch >= n:
                    rows.append(_forecast("data", "strong", n, batch, law.step(n, batch), one / law.step(n, batch)))
                weak = law.step(n, batch * n)
                rows.append(_forecast("data", "weak", n, batch, weak, n * one / weak))
                rows.append(_forecast("trial", "both", n, batch, one, float(n)))
        return pl.DataFrame(rows)

    @cached_property
    def thresholds(self) -> pl.DataFrame:
        """One row a count: the batch from which a split is faster at all, and from which its efficiency is good, by the
        law of one host; and across hosts, where those were measured. Null where no batch is."""
        counts = sorted({*(self.points.devices(name) for name in self.points.counts), *BEYOND} - {1})
        law, across = self.points.law, self.points.law_across
        kinds = {
            "devices": pl.Int64,
            "communication": pl.Float64,
            "pays_from": pl.Float64,
            "good_from": pl.Float64,
            "pays_from_across": pl.Float64,
        }
        return pl.DataFrame(
            [
                {
                    "devices": n,
                    "communication": law.communication(n),
                    "pays_from": law.pays_from(n),
                    "good_from": law.efficient_from(n, GOOD),
                    "pays_from_across": across and across.pays_from(n),
                }
                for n in counts
            ],
            schema=kinds,
        )

    def _nearest(self, rows: pl.DataFrame) -> dict | None:
        if rows.is_empty():
            return None
        return min(rows.iter_rows(named=True), key=lambda row: abs(row["batch"] - self.batch))


def _forecast(axis: str, scaling: str, devices: int, batch: int, seconds: float, speed_up: float) -> dict:
    return {
        "axis": axis,
        "scaling": scaling,
        "devices": devices,
        "batch": batch,
        "seconds": seconds,
        "speed_up": speed_up,
        "efficiency": speed_up / devices,
    }
