"""The search space of an optimizer: one dimension per hyperparameter, each with its range and scale."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fallline.contracts import Optimizer
from fallline.errors import UnknownName
from fallline.study.recipe_fields import FIELD_NAMES

DEFAULTS: dict[str, dict[str, list[float]]] = {
    "learning_rate": {"log": [1e-4, 1.0]},
    "momentum": {"one_minus_log": [1e-2, 0.5]},
    "beta1": {"one_minus_log": [1e-2, 0.5]},
    "beta2": {"one_minus_log": [1e-4, 1e-1]},
    "alpha": {"one_minus_log": [1e-3, 0.3]},
    "decay": {"one_minus_log": [1e-3, 0.3]},
    "rho": {"one_minus_log": [1e-3, 0.3]},
}
"""The ranges of hyperparameters by name where a study names none; others keep their defaults."""

OFF_AT_ZERO = ("momentum",)
"""Hyperparameters whose default of 0 switches them off: they are then left off."""


@dataclass(frozen=True)
class Dimension:
    """A hyperparameter or field of the recipe: values from ``low`` to ``high`` on a ``scale``, or ``choices``."""

    name: str
    scale: str
    low: float = 0.0
    high: float = 1.0
    choices: tuple[Any, ...] = ()

    @classmethod
    def of(cls, name: str, written: Mapping[str, Any] | Sequence[Any]) -> Dimension:
        """As it is written in [search.space], checked by ``study.search_table``."""
        if isinstance(written, Mapping):
            (scale, (low, high)), *_ = written.items()
            return cls(name, scale, float(low), float(high))
        return cls(name, "choice", choices=tuple(written))

    def value(self, unit: float) -> Any:
        """The value at ``unit`` in [0, 1), rounded to three digits."""
        if self.scale == "choice":
            return self.choices[min(int(unit * len(self.choices)), len(self.choices) - 1)]
        if self.scale == "uniform":
            return _rounded(self.low + unit * (self.high - self.low))
        drawn = math.exp(math.log(self.low) + unit * (math.log(self.high) - math.log(self.low)))
        if self.scale == "integer":
            return max(int(self.low), min(int(self.high), round(drawn)))
        return 1 - _rounded(drawn) if self.scale == "one_minus_log" else _rounded(drawn)


@dataclass(frozen=True)
class Space:
    """The dimensions that are searched for one optimizer."""

    optimizer: str
    dimensions: tuple[Dimension, ...]

    def setting(self, unit: np.ndarray) -> dict[str, Any]:
        """The point of a study at ``unit`` [dimensions]: the optimizer and a value of each dimension."""
        values = {one.name: one.value(float(u)) for one, u in zip(self.dimensions, unit, strict=True)}
        return {"optimizer": self.optimizer, **values}


def space_of(optimizer: Optimizer, written: Mapping[str, Any], fields: Mapping[str, Sequence[Any]]) -> Space:
    """The space of an optimizer: what [search.space] says of it, else the default ranges; then the ``fields`` of the
    recipe that the study varies, as choices. UnknownName where [search.space] names what it does not have.
    """
    names = {hyperparameter.name: hyperparameter for hyperparameter in optimizer.hyperparameters}
    dimensions: dict[str, Dimension] = {}
    for key, ranges in written.items():
        owner, _, name = key.rpartition(".")
        if not owner:
            if name not in FIELD_NAMES:
                raise UnknownName("field of a recipe", name, FIELD_NAMES, "[search.space]; write *.NAME of optimizers")
            dimensions[name] = Dimension.of(name, ranges)
        elif owner in ("*", optimizer.name):
            if name in names:
                if owner == "*" and f"{optimizer.name}.{name}" in written:
                    continue
                dimensions[name] = Dimension.of(name, ranges)
            elif owner != "*":
                raise UnknownName(f"hyperparameter of {optimizer.name}", name, names, "[search.space]")
    if not any(name in names for name in dimensions):
        for name, ranges in DEFAULTS.items():
            if name in names and not (name in OFF_AT_ZERO and names[name].default == 0):
                dimensions[name] = Dimension.of(name, ranges)
    for name, values in fields.items():
        dimensions.setdefault(name, Dimension.of(name, list(values)))
    return Space(optimizer.name, tuple(dimensions.values()))


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")
