"""Columns as the inputs of a model: fitted on training rows with scikit-learn, kept as plain values with the run.

Numbers get the median for what is missing and are standardised; categories become one column per level, rare levels
one together; a date becomes its day, standardised, and its place in the year and in the week as points on circles.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fallline.errors import DataError
from fallline.userdata.columns import ColumnDecision, parse_dates
from fallline.userdata.needed import needed

if TYPE_CHECKING:
    import polars as pl

MISSING_LEVEL = "(missing)"
OTHER_LEVEL = "(other)"

RARE = 2
"""A level on fewer training rows than this is a rare one."""

MOST_LEVELS = 32
"""Columns that a category becomes at most; the rarer levels share one."""

DAY = 86_400
YEAR_DAYS, WEEK_DAYS = 365.2425, 7.0


@dataclass(frozen=True)
class ColumnEncoding:
    """How the cells of one column become inputs.

    ``fill`` replaces a missing number, which is then (value - ``shift``) / ``scale``; ``flags``: one more input is 1
    where the cell was missing. ``levels`` are those of a category with an input of their own, ``other``: one more input
    stands for all others.
    """

    name: str
    kind: str
    format: str = ""
    fill: float = 0.0
    shift: float = 0.0
    scale: float = 1.0
    flags: bool = False
    levels: tuple[str, ...] = ()
    other: bool = False

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the inputs that it becomes."""
        if self.kind == "category":
            return tuple(f"{self.name}={level}" for level in (*self.levels, *([OTHER_LEVEL] * self.other)))
        circles = ("year sin", "year cos", "week sin", "week cos") if self.kind == "date" else ()
        parts = (*circles, *(["missing"] * self.flags))
        return (self.name, *(f"{self.name} ({part})" for part in parts))

    def encode(self, cells: pl.Series) -> np.ndarray:
        """Cells as text, null where nothing is known, as float32 [rows, inputs]."""
        if self.kind == "category":
            return self._one_hot(cells)
        numbers = _numbers(cells, self.kind, self.format)
        missing = np.isnan(numbers)
        filled = np.where(missing, self.fill, numbers)
        columns = [(filled - self.shift) / self.scale]
        if self.kind == "date":
            for days in (YEAR_DAYS, WEEK_DAYS):
                angle = 2 * math.pi * filled / days
                columns += [np.where(missing, 0, np.sin(angle)), np.where(missing, 0, np.cos(angle))]
        if self.flags:
            columns.append(missing.astype(float))
        return np.stack(columns, axis=1).astype(np.float32)

    def _one_hot(self, cells: pl.Series) -> np.ndarray:
        place = {level: index for index, level in enumerate(self.levels)}
        rows = np.array([place.get(level, len(place)) for level in cells.fill_null(MISSING_LEVEL)], dtype=int)
        table = np.eye(len(place) + 1, dtype=np.float32)[rows]
        return table if self.other else table[:, : len(place)]

    def as_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return asdict(self)

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> ColumnEncoding:
        """The inverse of ``as_dict``."""
        return cls(**{**plain, "levels": tuple(plain["levels"])})


def fit_encodings(
    frame: pl.DataFrame, decisions: Sequence[ColumnDecision], rows: np.ndarray
) -> tuple[ColumnEncoding, ...]:
    """The encodings of the columns that are inputs, fitted on the training ``rows`` of ``frame`` alone."""
    train = frame[rows]
    fitted = []
    for decision in decisions:
        cells = train[decision.name]
        if decision.kind == "category":
            fitted.append(_fit_category(decision, cells))
        elif decision.kind in ("number", "date"):
            fitted.append(_fit_number(decision, cells, bool(frame[decision.name].null_count())))
    return tuple(encoding for encoding in fitted if encoding is not None)


def encode(frame: pl.DataFrame, encodings: Sequence[ColumnEncoding]) -> np.ndarray:
    """The inputs float32 [rows, inputs] of a table whose cells are text."""
    return np.concatenate([encoding.encode(frame[encoding.name]) for encoding in encodings], axis=1)


def _fit_number(decision: ColumnDecision, cells: pl.Series, flags: bool) -> ColumnEncoding | None:
    impute = needed("sklearn.impute", "scikit-learn", "a table")
    preprocessing = needed("sklearn.preprocessing", "scikit-learn", "a table")
    numbers = _numbers(cells, decision.kind, decision.format)[:, None]
    if np.isnan(numbers).all():
        return None  # nothing is known of it in the training rows
    imputer = impute.SimpleImputer(strategy="median").fit(numbers)
    scaler = preprocessing.StandardScaler().fit(imputer.transform(numbers))
    return ColumnEncoding(
        decision.name,
        decision.kind,
        decision.format,
        float(imputer.statistics_[0]),
        float(scaler.mean_[0]),
        float(scaler.scale_[0]),
        flags,
    )


def _fit_category(decision: ColumnDecision, cells: pl.Series) -> ColumnEncoding:
    preprocessing = needed("sklearn.preprocessing", "scikit-learn", "a table")
    encoder = preprocessing.OneHotEncoder(
        min_frequency=RARE, max_categories=MOST_LEVELS, handle_unknown="infrequent_if_exist"
    ).fit(np.array(cells.fill_null(MISSING_LEVEL).to_list(), dtype=object)[:, None])
    rare = encoder.infrequent_categories_[0]
    rare = set() if rare is None else set(rare)
    levels = tuple(str(level) for level in encoder.categories_[0] if level not in rare)
    return ColumnEncoding(decision.name, "category", levels=levels, other=bool(rare))


def _numbers(cells: pl.Series, kind: str, form: str) -> np.ndarray:
    """Numbers, or days since 1970 of dates, as float64 with nan where nothing is known."""
    import polars as pl

    if kind == "date":
        dates = parse_dates(cells, form)
        wrong = cells.is_not_null() & dates.is_null()
        numbers = dates.dt.epoch("s").cast(pl.Float64) / DAY
    else:
        numbers = cells.cast(pl.Float64, strict=False)
        wrong = cells.is_not_null() & numbers.is_null()
    if wrong.any():
        row = int(wrong.arg_max())
        raise DataError(f"row {row + 1}, column {cells.name}: {str(cells[row])[:40]!r} is no {kind}")
    return numbers.fill_null(float("nan")).to_numpy().astype(np.float64)
