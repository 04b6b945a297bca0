"""What a study says under [data]: which file, what to predict, how to split it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SOURCES = ("csv", "tsv", "parquet", "xlsx", "table", "images", "text", "npz")
"""The keys that name a file, a folder, or one of scikit-learn's tables."""

TABLES = ("csv", "tsv", "parquet", "xlsx", "table")
"""Those that give rows and columns."""


@dataclass(frozen=True)
class DataSpec:
    """The keys of [data], checked; exactly one of ``SOURCES`` is given. See docs/data.md for their meaning."""

    csv: str = ""
    tsv: str = ""
    parquet: str = ""
    xlsx: str = ""
    table: str = ""
    images: str = ""
    text: str = ""
    npz: str = ""
    target: tuple[str, ...] = ()
    model: str = ""
    problem: str = ""
    columns: dict[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    separator: str = ""
    split: str = ""
    by: str = ""
    validation: float = 0.15
    test: float = 0.15
    seed: int = 0
    class_weights: str = "none"
    size: int = 28
    grey: bool = False
    context: int = 32

    @property
    def source(self) -> str:
        """Which key names the data: "csv", "images", ..."""
        return next(name for name in SOURCES if getattr(self, name))

    @property
    def written(self) -> str:
        """The file or folder as it is written."""
        return getattr(self, self.source)

    @property
    def identity(self) -> dict[str, Any]:
        """What changes the arrays that a file becomes, besides its content and its place."""
        left_out = {*SOURCES, "model"}
        return {name: value for name, value in vars(self).items() if name not in left_out}
