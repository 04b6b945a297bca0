"""The target of a table: classes of any number, or one or several numbers that are standardised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fallline.errors import DataError
from fallline.userdata.reading import RawTable

if TYPE_CHECKING:
    import polars as pl

MOST_CLASSES = 1_000
FEW_CLASSES = 20
"""A target of whole numbers with at most this many different values is one of classes."""


@dataclass(frozen=True)
class TargetEncoding:
    """``classes`` in their order, empty for a regression; there each target is (value - ``shift``) / ``scale``."""

    names: tuple[str, ...]
    classes: tuple[str, ...] = ()
    shift: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()

    @property
    def outputs(self) -> int:
        """Outputs of a model: one per class or per number."""
        return len(self.classes) or len(self.names)

    def encode(self, frame: pl.DataFrame) -> np.ndarray:
        """Labels int32 [rows], or scaled numbers float32 [rows, targets]."""
        import polars as pl

        if self.classes:
            place = {label: index for index, label in enumerate(self.classes)}
            return np.array([place[label] for label in frame[self.names[0]]], dtype=np.int32)
        columns = [frame[name].cast(pl.Float64).to_numpy() for name in self.names]
        return ((np.stack(columns, axis=1) - self.shift) / self.scale).astype(np.float32)

    def as_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return asdict(self)

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> TargetEncoding:
        """The inverse of ``as_dict``."""
        return cls(**{name: tuple(values) for name, values in plain.items()})


def classes_of_target(table: RawTable, names: Sequence[str], problem: str) -> tuple[str, ...]:
    """The classes of the target, sorted; empty where numbers are predicted.

    ``problem`` is "classification", "regression" or empty: then words are classes, and so are whole numbers with at
    most 20 different values. DataError for a target that cannot be predicted.
    """
    import polars as pl

    if len(names) > 1:
        if problem == "classification":
            raise DataError(f"classes are predicted for one target, got {', '.join(names)}; write a study for each")
        for name in names:
            _need_numbers(table, name)
        return ()
    cells = table.frame[names[0]]
    numbers = cells.cast(pl.Float64, strict=False)
    labels = cells.unique().to_list()
    if len(labels) < 2:
        raise DataError(
            f"{table.path}: the target {names[0]} has one value, {labels[0]!r}, in all {len(cells):,} rows: there is "
            "nothing to predict; name another column as target"
        )
    are_numbers = numbers.null_count() == 0
    whole = are_numbers and bool((numbers == numbers.floor()).all())
    if problem == "regression" or (not problem and are_numbers and not (whole and len(labels) <= FEW_CLASSES)):
        _need_numbers(table, names[0])
        return ()
    if len(labels) > MOST_CLASSES or (not problem and len(labels) > max(FEW_CLASSES, len(cells) / 2)):
        raise DataError(
            f"{table.path}: the target {names[0]} has {len(labels):,} different values in {len(cells):,} rows, too "
            "many to be classes; name another column as target, or correct the cells that are no numbers"
        )
    return tuple(sorted(labels, key=float if are_numbers else str))


def fit_target(frame: pl.DataFrame, names: Sequence[str], classes: tuple[str, ...], rows: np.ndarray) -> TargetEncoding:
    """The encoding of the target; numbers are standardised by the training ``rows``."""
    import polars as pl

    if classes:
        return TargetEncoding(tuple(names), classes)
    columns = np.stack([frame[name].cast(pl.Float64).to_numpy() for name in names], axis=1)[rows]
    scale = columns.std(axis=0)
    return TargetEncoding(
        tuple(names), (), tuple(map(float, columns.mean(axis=0))), tuple(map(float, np.where(scale > 0, scale, 1.0)))
    )


def _need_numbers(table: RawTable, name: str) -> None:
    import polars as pl

    cells = table.frame[name]
    numbers = cells.cast(pl.Float64, strict=False)
    wrong = numbers.is_null() | ~numbers.is_finite()
    if wrong.any():
        row = int(wrong.arg_max())
        raise DataError(
            f"{table.path}, {table.place(row, name)}: the target is {str(cells[row])[:40]!r}, which is no finite "
            'number; correct it, or write [data] problem = "classification"'
        )
