"""The folder of a scale measurement: the study, what was asked, and one row a measured time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from fallline.errors import StoreError
from fallline.scaling.points import ROWS, Points
from fallline.store.files import read_json, read_parquet, write_json, write_parquet, write_text
from fallline.store.resolved import read_study
from fallline.study import Study
from fallline.study.toml import dump_study

VERSION = 1
REMEDY = "measure again into another folder (--out)"


@dataclass(frozen=True)
class ScaleFolder:
    """``study.toml``, ``scale.json`` (what was asked, and of what the times are) and ``points.parquet`` in ``root``."""

    root: Path

    @property
    def study_file(self) -> Path:
        return self.root / "study.toml"

    @property
    def facts_file(self) -> Path:
        return self.root / "scale.json"

    @property
    def points_file(self) -> Path:
        return self.root / "points.parquet"

    @property
    def report(self) -> Path:
        return self.root / "report"

    @property
    def exists(self) -> bool:
        """Whether a measurement was written here."""
        return self.points_file.is_file() and self.facts_file.is_file()

    def write(self, study: Study, facts: dict[str, Any], rows: pl.DataFrame) -> None:
        """All three files; the points last, which make it a measurement."""
        write_text(self.study_file, dump_study(study))
        write_json(self.facts_file, {"version": VERSION} | facts)
        write_parquet(self.points_file, rows)

    def read_study(self) -> Study:
        return read_study(self.study_file)

    def read_facts(self) -> dict[str, Any]:
        """What ``write`` was given; StoreError for what it did not write."""
        facts = read_json(self.facts_file, REMEDY)
        needed = {"sizes", "bytes", "device", "platform", "cores", "study", "data"}
        if not isinstance(facts, dict) or not needed <= set(facts):
            raise StoreError(
                f"{self.facts_file} does not say what was measured; it was damaged after it was written: {REMEDY}"
            )
        return facts

    def read_points(self) -> Points:
        """The measured times; StoreError where there are none."""
        if not self.exists:
            raise StoreError(
                f"{self.root} holds no measurement of scaling; make one with fallline scale NAME --out {self.root}"
            )
        facts, rows = self.read_facts(), read_parquet(self.points_file)
        if dict(rows.schema) != dict(ROWS):
            raise StoreError(f"{self.points_file} has not the columns of measured steps: {REMEDY}")
        return Points(rows, tuple(facts["sizes"]), facts["bytes"])
