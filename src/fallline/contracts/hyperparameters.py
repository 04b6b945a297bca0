"""Numbers: the scalars a rule takes, each with its law."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from fallline.errors import HyperparameterError, UnknownName

Value = float | tuple[float, ...] | None
"""A checked number; of a list of numbers the tuple; None where an optional one is left out."""


@dataclass(frozen=True)
class Hyperparameter:
    """A scalar a rule takes, with its law: an interval, ends open or closed.

    ``default`` is None where the rule has none and the user must give one, or, where it is ``optional``, may leave it
    out. A ``flag`` is 0 or 1 (false or true). Of ``many``, a list is given, and the law holds for each value.
    """

    name: str
    default: float | tuple[float, ...] | None
    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False
    flag: bool = False
    optional: bool = False
    many: bool = False
    meaning: str = ""

    @property
    def law(self) -> str:
        """The law in words: ``must lie in [0, 1)``."""
        if self.flag:
            return "must be true or false"
        if self.low == -math.inf and self.high == math.inf:
            return "must be a finite number"
        if self.high == math.inf:
            return f"must be {'>' if self.low_open else '>='} {self.low:g}"
        if self.low == -math.inf:
            return f"must be {'<' if self.high_open else '<='} {self.high:g}"
        return f"must lie in {'(' if self.low_open else '['}{self.low:g}, {self.high:g}{')' if self.high_open else ']'}"

    def check(self, value: object, where: str = "") -> Value:
        """``value`` as a float (a tuple of them where there are ``many``), or NumberError with law, value and place."""
        if self.many:
            if not isinstance(value, (list, tuple)) or not value:
                place = f" ({where})" if where else ""
                raise HyperparameterError(f"{self.name} must be a list of numbers, got {value!r}{place}")
            return tuple(self._check_one(element, where) for element in cast(Sequence[object], value))
        if self.optional and (value is None or value == "off"):
            return None
        return self._check_one(value, where)

    def _check_one(self, value: object, where: str) -> float:
        place = f" ({where})" if where else ""
        finite = " and finite" if value in (math.inf, -math.inf) else ""
        broken = HyperparameterError(f"{self.name} {self.law}{finite}, got {value!r}{place}")
        if self.flag:
            if value in (True, False, 0, 1):
                return float(value)  # type: ignore[arg-type]
            raise broken
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise broken
        try:
            value = float(value)
        except OverflowError:
            raise broken from None
        if not math.isfinite(value):
            raise broken
        below = value <= self.low if self.low_open else value < self.low
        above = value >= self.high if self.high_open else value > self.high
        if below or above:
            raise broken
        return value


def positive(name: str, default: float | None, meaning: str = "", optional: bool = False) -> Hyperparameter:
    """A number > 0."""
    return Hyperparameter(name, default, low=0.0, low_open=True, optional=optional, meaning=meaning)


def nonnegative(name: str, default: float | None, meaning: str = "", optional: bool = False) -> Hyperparameter:
    """A number >= 0."""
    return Hyperparameter(name, default, low=0.0, optional=optional, meaning=meaning)


def fraction(name: str, default: float | None, meaning: str = "") -> Hyperparameter:
    """A number in [0, 1)."""
    return Hyperparameter(name, default, low=0.0, high=1.0, high_open=True, meaning=meaning)


def flag(name: str, default: bool, meaning: str = "") -> Hyperparameter:
    """True or false, carried as 1.0 or 0.0 so that changing it never recompiles."""
    return Hyperparameter(name, float(default), flag=True, meaning=meaning)


def check_hyperparameters(
    kind: str, owner: str, declared: tuple[Hyperparameter, ...], given: Mapping[str, object], where: str = ""
) -> dict[str, Value]:
    """The full numbers of a rule: ``given`` checked against ``declared``, defaults filled in."""
    laws = {number.name: number for number in declared}
    for name in given:
        if name not in laws:
            raise UnknownName(f"number of {kind} {owner}", name, laws, where)
    full: dict[str, Value] = {}
    for name, number in laws.items():
        if name in given:
            full[name] = number.check(given[name], f"{owner}{', ' + where if where else ''}")
        elif number.default is None and not number.optional:
            raise HyperparameterError(
                f"{owner} needs {name}, which has no default: {name} {number.law}" + (f" ({where})" if where else "")
            )
        else:
            full[name] = number.default
    return full
