"""Hyperparameters: the scalars that a component takes, each with the interval that its values must lie in."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from fallline.errors import HyperparameterError, UnknownName

Value = float | tuple[float, ...] | None
"""A checked value; a tuple for a hyperparameter that is a list; None where an optional one is left out."""


@dataclass(frozen=True)
class Hyperparameter:
    """A scalar that a component takes, with its law: an interval, ends open or closed.

    ``default`` is None where there is none: the user must give a value, or may leave it out where it is ``optional``.
    A ``flag`` is 0 or 1 (false or true). A hyperparameter of ``many`` values is a list, and the law holds for each.
    ``meaning`` says what it does, for ``fallline parts``. ``phrase`` and ``none_phrase`` say a value and None in a
    sentence ("patience {}", "no early stopping"); without them the name is said before the value.
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
    phrase: str = ""
    none_phrase: str = ""

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
        """``value`` as a float (a tuple of them where there are ``many``).

        HyperparameterError says the law, the value and ``where`` it is written.
        """
        if self.many:
            if not isinstance(value, (list, tuple)) or not value:
                place = f" ({where})" if where else ""
                raise HyperparameterError(f"{self.name} must be a list of numbers, got {value!r}{place}")
            return tuple(self._check_scalar(element, where) for element in cast(Sequence[object], value))
        if self.optional and (value is None or value == "off"):
            return None
        return self._check_scalar(value, where)

    def _check_scalar(self, value: object, where: str) -> float:
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
    """A hyperparameter > 0."""
    return Hyperparameter(name, default, low=0.0, low_open=True, optional=optional, meaning=meaning)


def nonnegative(name: str, default: float | None, meaning: str = "", optional: bool = False) -> Hyperparameter:
    """A hyperparameter >= 0."""
    return Hyperparameter(name, default, low=0.0, optional=optional, meaning=meaning)


def fraction(name: str, default: float | None, meaning: str = "") -> Hyperparameter:
    """A hyperparameter in [0, 1)."""
    return Hyperparameter(name, default, low=0.0, high=1.0, high_open=True, meaning=meaning)


def flag(name: str, default: bool, meaning: str = "") -> Hyperparameter:
    """True or false, kept as 1.0 or 0.0 so that a change never recompiles the program."""
    return Hyperparameter(name, float(default), flag=True, meaning=meaning)


def check_hyperparameters(
    kind: str, owner: str, declared: tuple[Hyperparameter, ...], values: Mapping[str, object], where: str = ""
) -> dict[str, Value]:
    """All ``declared`` hyperparameters by name: ``values`` checked, defaults filled in.

    ``kind`` and ``owner`` name the component in errors (optimizer, adam), ``where`` the place in the study.
    """
    by_name = {hyperparameter.name: hyperparameter for hyperparameter in declared}
    for name in values:
        if name not in by_name:
            raise UnknownName(f"hyperparameter of {kind} {owner}", name, by_name, where)
    checked: dict[str, Value] = {}
    for name, hyperparameter in by_name.items():
        if name in values:
            checked[name] = hyperparameter.check(values[name], f"{owner}{', ' + where if where else ''}")
        elif hyperparameter.default is None and not hyperparameter.optional:
            raise HyperparameterError(
                f"{owner} needs {name}, which has no default: {name} {hyperparameter.law}"
                + (f" ({where})" if where else "")
            )
        else:
            checked[name] = hyperparameter.default
    return checked
