"""Measured steps as frames: medians, speed-up and efficiency on both axes, and where the time of a step goes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from fallline.scaling.law import Law, Reduce, Step, errors, fit_law
from fallline.scaling.wanted import ALONE, DATA, REDUCE, TRIAL, filled

ROWS = {
    "count": pl.String,
    "hosts": pl.Int64,
    "devices": pl.Int64,
    "what": pl.String,
    "batch": pl.Int64,
    "width": pl.Int64,
    "local": pl.Int64,
    "bytes": pl.Int64,
    "repeat": pl.Int64,
    "steps": pl.Int64,
    "seconds": pl.Float64,
}
"""One row a repeat of a measured program: ``seconds`` is of one step over ``steps`` steps (of one all-reduce).
``batch`` is what was asked for, ``width`` what it was filled up to, ``local`` the examples of each device."""

STRONG, WEAK = "strong", "weak"


@dataclass(frozen=True, eq=False)
class Points:
    """The rows of all counts of one study. ``sizes`` are the batch sizes asked for, ``bytes`` the weights' bytes."""

    rows: pl.DataFrame
    sizes: tuple[int, ...]
    bytes: int

    @cached_property
    def medians(self) -> pl.DataFrame:
        """One row a program: the median over repeats, the least and the most."""
        keys = ["count", "hosts", "devices", "what", "batch", "width", "local", "bytes"]
        return (
            self.rows.group_by(keys, maintain_order=True)
            .agg(
                repeats=pl.len(),
                steps=pl.col("steps").max(),
                low=pl.col("seconds").min(),
                high=pl.col("seconds").max(),
                seconds=pl.col("seconds").median(),
            )
            .sort("hosts", "devices", "what", "width")
        )

    @cached_property
    def counts(self) -> list[str]:
        """The counts of devices, one device first."""
        return self.medians.sort("hosts", "devices")["count"].unique(maintain_order=True).to_list()

    def devices(self, count: str) -> int:
        return int(self.medians.filter(count=count)["devices"][0])

    def at(self, what: str, count: str, width: int) -> dict | None:
        """The measured program, or None."""
        found = self.medians.filter(what=what, count=count, width=width)
        return found.row(0, named=True) if found.height else None

    @cached_property
    def axes(self) -> pl.DataFrame:
        """One row an (axis, scaling, count, batch): seconds of a step with its range, speed-up and efficiency.

        Strong: one batch (or as many trials as devices) over the devices, ``speed_up`` the time of one device over
        theirs. Weak: a batch on every device, ``speed_up`` the work of all over the work of one in the same time. Of
        trials both are the same: so many trials side by side, against one after another.
        """
        rows = []
        for one in self.medians.filter(pl.col("what").is_in([DATA, TRIAL])).iter_rows(named=True):
            n = one["devices"]
            if one["what"] == TRIAL and one["width"] in self.sizes:
                rows.append(self._row("trial", "both", one, one["batch"], one["width"], n))
            elif one["what"] == DATA:
                if one["batch"] in self.sizes:
                    rows.append(self._row("data", STRONG, one, one["batch"], one["batch"], 1))
                if one["local"] in self.sizes:
                    rows.append(self._row("data", WEAK, one, one["local"], one["local"], n))
        frame = pl.DataFrame([row for row in rows if row], infer_schema_length=None)
        return frame.sort("axis", "scaling", "batch", "hosts", "devices") if frame.height else frame

    def _row(self, axis: str, scaling: str, one: dict, batch: int, alone: int, work: int) -> dict | None:
        """``work``: how many times the work of one device's step this step does."""
        base = self.at(ALONE, "1", alone)
        if base is None:
            return None
        speed = work * base["seconds"] / one["seconds"]
        return {
            "axis": axis,
            "scaling": scaling,
            "count": one["count"],
            "hosts": one["hosts"],
            "devices": one["devices"],
            "batch": batch,
            "local": one["local"],
            "width": one["width"],
            "alone": base["seconds"],
            "seconds": one["seconds"],
            "low": one["low"],
            "high": one["high"],
            "speed_up": speed,
            "speed_up_low": work * base["low"] / one["high"],
            "speed_up_high": work * base["high"] / one["low"],
            "efficiency": speed / one["devices"],
        }

    @cached_property
    def parts(self) -> pl.DataFrame:
        """Where the time of a step on the data axis goes: one row a measured program of more than one device.

        ``compute``: the same program on one device with the local batch. ``sharing``: how much longer that takes where
        all devices do so at once, without communication (0 where each has silicon of its own). ``communication``: the
        all-reduce of as many bytes as the weights have, alone on these devices. ``rest`` is what is left of the step:
        idle and overhead; below 0 where communication hides behind compute.
        """
        rows = []
        for row in self.medians.filter(what=DATA).iter_rows(named=True):
            alone = self.at(ALONE, "1", row["local"])
            beside = self.at(TRIAL, row["count"], row["local"])
            reduce = self.medians.filter(what=REDUCE, count=row["count"]).sort("bytes")
            if alone is None or beside is None or reduce.is_empty():
                continue
            compute, side = alone["seconds"], beside["seconds"]
            spoken = float(reduce["seconds"][-1])
            rows.append(
                {
                    "count": row["count"],
                    "hosts": row["hosts"],
                    "devices": row["devices"],
                    "batch": row["batch"],
                    "local": row["local"],
                    "seconds": row["seconds"],
                    "compute": compute,
                    "sharing": side - compute,
                    "communication": spoken,
                    "rest": row["seconds"] - side - spoken,
                }
            )
        return pl.DataFrame(rows, infer_schema_length=None)

    def sharing(self, count: str) -> float:
        """How many times as long compute takes on all these devices at once as on one alone: the median over sizes, at
        least 1."""
        if self.devices(count) == 1:
            return 1.0
        ratios = [
            row["seconds"] / alone["seconds"]
            for row in self.medians.filter(what=TRIAL, count=count).iter_rows(named=True)
            if (alone := self.at(ALONE, "1", row["width"]))
        ]
        return max(1.0, float(np.median(ratios))) if ratios else 1.0

    def steps(self, across: bool = False) -> list[Step]:
        """The measured steps that a law is fitted to: of one device, and of several on one host or across hosts."""
        kept = self.medians.filter((pl.col("what") == ALONE) | ((pl.col("what") == DATA) & self._links(across)))
        return [
            Step(row["devices"], row["local"], self.sharing(row["count"]), row["seconds"])
            for row in kept.iter_rows(named=True)
        ]

    def reduces(self, across: bool = False) -> list[Reduce]:
        kept = self.medians.filter((pl.col("what") == REDUCE) & self._links(across))
        return [Reduce(row["devices"], row["bytes"], row["seconds"]) for row in kept.iter_rows(named=True)]

    @staticmethod
    def _links(across: bool) -> pl.Expr:
        return pl.col("hosts") > 1 if across else pl.col("hosts") == 1

    @cached_property
    def law(self) -> Law:
        """The law of devices on one host."""
        return fit_law(self.steps(), self.reduces(), self.bytes)

    @cached_property
    def law_across(self) -> Law | None:
        """The law of devices on several hosts, whose links are others; None where none was measured."""
        if self.medians["hosts"].max() == 1:
            return None
        return fit_law(self.steps(across=True), self.reduces(across=True), self.bytes)

    @cached_property
    def errors(self) -> pl.DataFrame:
        """What the law of one host says of points held out; see ``law.errors``."""
        return errors(self.steps(), self.reduces(), self.bytes)

    def step_seconds(self, count: str, batch: int, what: str = "seconds") -> tuple[float, bool]:
        """Seconds of a step of ``batch`` examples over these devices, and whether measured sizes lie on both sides.
        ``what``: the median "seconds", or the "low" or "high" of the repeats.

        Between measured sizes a line; beyond them the line of the two nearest, and where there is one only, the law.
        """
        n = self.devices(count)
        known = self.medians.filter(what=ALONE if n == 1 else DATA, count=count).sort("width")
        widths, seconds = known["width"].to_numpy(), known[what].to_numpy()
        width = filled(batch, n)
        if len(widths) == 0 or (len(widths) == 1 and width != widths[0]):
            law = self.law_across if "x" in count and self.law_across else self.law
            return law.step(n, width, self.sharing(count)), False
        if widths[0] <= width <= widths[-1]:
            return float(np.interp(width, widths, seconds)), True
        near = (0, 1) if width < widths[0] else (-2, -1)
        a, b = (float(widths[place]) for place in near)
        ta, tb = (float(seconds[place]) for place in near)
        line = ta + (tb - ta) * (width - a) / (b - a)
        return max(line, 0.5 * min(ta, tb) if width < widths[0] else max(ta, tb)), False
