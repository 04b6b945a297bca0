"""A scale measurement: its sentences, frames and page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from fallline.scaling.epochs import EpochTime, budget_times, epoch_times
from fallline.scaling.folder import ScaleFolder
from fallline.scaling.judged import Judged
from fallline.scaling.points import Points
from fallline.study import Study


@dataclass(frozen=True, eq=False, repr=False)
class Scaled:
    """The measurement in a folder. Printed, it is what the terminal shows.

    Frames: ``points`` (one row per repeat), ``axes`` (speed-up and efficiency), ``parts`` (where a step's time goes),
    ``epochs`` and ``budgets`` (what the study's epochs take), ``forecast`` and ``errors`` (the fitted model's
    predictions, and its errors on held-out points). ``sentence`` answers whether to use more devices.
    """

    files: ScaleFolder

    @classmethod
    def open(cls, folder: str | Path) -> Scaled:
        """The measurement in ``folder``; StoreError where there is none."""
        files = ScaleFolder(Path(folder))
        files.read_points()
        return cls(files)

    @property
    def folder(self) -> Path:
        return self.files.root

    @cached_property
    def study(self) -> Study:
        return self.files.read_study()

    @cached_property
    def facts(self) -> dict[str, Any]:
        """Facts about the measurement: device, cores, weights, sizes, environments."""
        return self.files.read_facts()

    @cached_property
    def measured(self) -> Points:
        return self.files.read_points()

    @cached_property
    def judged(self) -> Judged:
        first = self.paces[0].epochs[0][0] if self.paces else self.measured.sizes[0]
        return Judged(self.measured, first, self.facts["platform"] == "cpu", self.facts["cores"])

    @cached_property
    def paces(self) -> list[EpochTime]:
        return [
            EpochTime(pace["batch"], tuple((int(size), float(steps)) for size, steps in pace["epochs"]), pace["whole"])
            for pace in self.facts.get("paces", [])
        ]

    @property
    def points(self) -> pl.DataFrame:
        return self.measured.rows

    @property
    def axes(self) -> pl.DataFrame:
        return self.measured.axes

    @property
    def parts(self) -> pl.DataFrame:
        return self.measured.parts

    @property
    def errors(self) -> pl.DataFrame:
        return self.measured.errors

    @property
    def forecast(self) -> pl.DataFrame:
        return self.judged.forecast

    @cached_property
    def epochs(self) -> pl.DataFrame:
        return epoch_times(self.measured, self.paces)

    @cached_property
    def budgets(self) -> pl.DataFrame:
        return budget_times(self.epochs, self.paces)

    @cached_property
    def sentence(self) -> str:
        """Whether to use more devices, and on which axis."""
        return self.sentences[0]

    @cached_property
    def sentences(self) -> list[str]:
        """The answer and its details."""
        from fallline.report.scaling.sentences import sentences

        return sentences(self)

    def report(self, path: str | Path | None = None) -> Path:
        """Write the page and its tables; the page's path, by default report/scaling.html in the folder."""
        from fallline.report.scaling.page import write_page

        return write_page(self, None if path is None else Path(path))

    def figures(
        self, *names: str, formats: Sequence[str] = ("svg", "pdf", "png"), folder: str | Path | None = None
    ) -> list[Path]:
        """Write the figures of the page, or those ``names``, as files, by default to report/figures in the folder."""
        from fallline.report.scaling.figure_files import write_scaling_figures

        return write_scaling_figures(self, names, formats, None if folder is None else Path(folder))

    def __str__(self) -> str:
        from fallline.report.render.terminal import as_text
        from fallline.report.scaling.tables import terminal

        said = list(self.sentences)
        for table in terminal(self):
            said += ["", *as_text(table)]
        return "\n".join(said)

    __repr__ = __str__
