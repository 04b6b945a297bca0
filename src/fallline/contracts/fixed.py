"""Components with fixed hyperparameters: ``adam(beta1=0.8)`` is adam whose beta1 a study cannot change."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache, partial
from typing import Any, TypeVar

from fallline.contracts.hyperparameters import Hyperparameter, Value
from fallline.contracts.rules import Loss, Optimizer, Schedule
from fallline.errors import HyperparameterError, UnknownName

C = TypeVar("C", Optimizer, Loss, Schedule)


def with_fixed(component: C, hyperparameters: Mapping[str, Any], where: str = "") -> C:
    """``component`` with these hyperparameters fixed, and a name that shows them; None counts as not given.

    The same hyperparameters give the same object. HyperparameterError where a value breaks its law, UnknownName for a
    hyperparameter that the component does not have.
    """
    by_name = {hyperparameter.name: hyperparameter for hyperparameter in component.hyperparameters}
    place = f"{component.name}, {where}" if where else component.name
    for name in hyperparameters:
        if name not in by_name:
            owner = f"{type(component).__name__.lower()} {component.name}"
            raise UnknownName(f"hyperparameter of {owner}", name, by_name, where)
    given = {name: by_name[name] for name in by_name if hyperparameters.get(name) is not None}
    values = tuple((name, _checked(law, hyperparameters[name], place)) for name, law in given.items())
    return _with_values(component, values) if values else component


@dataclass(frozen=True)
class FixedHyperparameter(Hyperparameter):
    """A hyperparameter whose value, ``default``, was given to the component; a study can give no other."""

    @property
    def law(self) -> str:
        return f"is fixed at {_text(self, self.default)}"

    def check(self, value: object, where: str = "") -> Value:
        checked = super().check(value, where)
        pairs = zip(_as_tuple(checked), _as_tuple(self.default), strict=False)
        same = len(_as_tuple(checked)) == len(_as_tuple(self.default)) and all(_nearly(a, b) for a, b in pairs)
        if not same:
            raise HyperparameterError(f"{self.name} {self.law}, got {value!r}" + (f" ({where})" if where else ""))
        return self.default


@cache
def _with_values(component: C, values: tuple[tuple[str, Value], ...]) -> C:
    fixed = dict(values)
    texts = [f"{law.name}={_text(law, fixed[law.name])}" for law in component.hyperparameters if law.name in fixed]
    hyperparameters = tuple(
        _fixed(law, fixed[law.name]) if law.name in fixed else law for law in component.hyperparameters
    )
    changes: dict[str, Any] = {
        # the functions' own defaults too: a loss is called without hyperparameters
        field: partial(function, **fixed)
        for field in ("function", "sums", "of_sums")
        if (function := getattr(component, field, None)) is not None
    }
    name = f"{component.name}({', '.join(texts)})"
    return replace(component, name=name, hyperparameters=hyperparameters, **changes)


def _fixed(law: Hyperparameter, value: Value) -> FixedHyperparameter:
    values: dict[str, Any] = {field.name: getattr(law, field.name) for field in fields(law)}
    values["default"] = value
    return FixedHyperparameter(**values)


def _checked(law: Hyperparameter, value: object, where: str) -> Value:
    """``value`` by its law, as written and as the compiled program takes it, in float32."""
    exact = law.check(value, where)
    rounded = tuple(_in_float32(number) for number in _as_tuple(exact))
    try:
        law.check(rounded if law.many else rounded[0])
    except HyperparameterError:
        raise HyperparameterError(
            f"{law.name} {law.law} and be finite after rounding to float32, got {value!r} ({where})"
        ) from None
    return exact


def _in_float32(number: float | None) -> float | None:
    try:
        return None if number is None else struct.unpack("f", struct.pack("f", number))[0]
    except OverflowError:
        return math.inf


def _as_tuple(value: Value) -> tuple[float | None, ...]:
    return value if isinstance(value, tuple) else (value,)


def _nearly(a: float | None, b: float | None) -> bool:
    """Equal up to float32: records hold some values so."""
    return a == b if a is None or b is None else math.isclose(a, b, rel_tol=1e-6)


def _text(law: Hyperparameter, value: Value) -> str:
    """The value as it is written in Python."""
    if isinstance(value, tuple):
        return f"[{', '.join(_number(number) for number in value)}]"
    return str(bool(value)) if law.flag or value is None else _number(value)


def _number(value: float) -> str:
    return repr(float(value)).removesuffix(".0")
