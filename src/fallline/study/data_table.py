"""The table [data]: a file of the user's, what to predict of it, and how."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from fallline.study.base_table import StudyTable
from fallline.userdata.spec import SOURCES, TABLES, DataSpec


class FileData(StudyTable):
    """A file or folder, exactly one of ``csv``, ``tsv``, ``parquet``, ``xlsx``, ``table`` (one of scikit-learn's),
    ``images``, ``text`` and ``npz``; relative paths start at the folder of the study.

    ``target`` is the column to predict, or several of numbers. ``columns`` say what a column is where that is not
    rightly decided. ``split`` says how rows are held out, ``by`` the column that decides it.
    """

    csv: str = ""
    tsv: str = ""
    parquet: str = ""
    xlsx: str = ""
    table: str = ""
    images: str = ""
    text: str = ""
    npz: str = ""
    target: str | list[str] = ""
    model: str = ""
    problem: Literal["", "classification", "regression"] = ""
    columns: dict[str, Literal["number", "category", "date", "drop"]] = Field(default_factory=dict)
    missing: list[str] = Field(default_factory=list)
    separator: str = ""
    split: Literal["", "random", "stratified", "group", "time", "given"] = ""
    by: str = ""
    validation: float = Field(default=0.15, ge=0, lt=1)
    test: float = Field(default=0.15, ge=0, lt=1)
    seed: int = Field(default=0, ge=0, lt=2**31)
    class_weights: Literal["none", "balanced"] = "none"
    size: int = Field(default=28, ge=2, le=1024)
    grey: bool = False
    context: int = Field(default=32, ge=1, le=4096)

    @field_validator("columns", mode="before")
    @classmethod
    def _known_kinds(cls, columns: Any) -> Any:
        if isinstance(columns, dict):
            for name, kind in columns.items():
                if kind not in ("number", "category", "date", "drop"):
                    raise ValueError(f"{name} must be number, category, date or drop")
        return columns

    @model_validator(mode="after")
    def _one_source(self) -> FileData:
        given = [name for name in SOURCES if getattr(self, name)]
        if len(given) != 1:
            raise ValueError(
                f"[data] names one of {', '.join(SOURCES)}, and it names {' and '.join(given) or 'none of them'}"
            )
        if self.validation + self.test >= 1:
            raise ValueError(
                f"validation and test are shares that leave some for training, got {self.validation:g} and "
                f"{self.test:g}"
            )
        if given[0] not in TABLES and (self.target or self.columns):
            raise ValueError(f"target and columns are for tables; {given[0]} has none")
        return self

    @property
    def spec(self) -> DataSpec:
        """The same without pydantic, for who reads the file."""
        values = self.model_dump()
        target = [self.target] if isinstance(self.target, str) else self.target
        return DataSpec(**{**values, "target": tuple(name for name in target if name), "missing": tuple(self.missing)})

    @property
    def task_name(self) -> str:
        """The name of its task: that of the file without its ending."""
        spec = self.spec
        stem = PurePath(spec.written.replace("\\", "/")).name
        if spec.source not in ("images", "table"):
            stem = stem.split(".")[0]
        return re.sub(r"[^A-Za-z0-9_.-]+", "-", stem).strip("-._") or "data"
