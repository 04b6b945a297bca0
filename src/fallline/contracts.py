"""The shapes a plug-in can have: number, optimizer, loss, model, dataset, task.

Each is a frozen value. A new optimizer (loss, dataset, task) is one such value in a module of its package; the
package finds it by itself and the shared contract tests run over it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from fallline.errors import NumberError, UnknownName


@dataclass(frozen=True)
class Number:
    """A scalar a rule takes, with its law: an interval, ends open or closed.

    ``default`` is None where the rule has none and the user must give one. A ``flag`` is 0 or 1 (false or true).
    """

    name: str
    default: float | None
    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False
    flag: bool = False
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

    def check(self, value: object, where: str = "") -> float:
        """``value`` as a float, or NumberError with the law, the value and the place."""
        place = f" ({where})" if where else ""
        finite = " and finite" if value in (math.inf, -math.inf) else ""
        broken = NumberError(f"{self.name} {self.law}{finite}, got {value!r}{place}")
        if self.flag:
            if value in (True, False, 0, 1):
                return float(value)
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


def positive(name: str, default: float | None, meaning: str = "") -> Number:
    """A number > 0."""
    return Number(name, default, low=0.0, low_open=True, meaning=meaning)


def nonnegative(name: str, default: float | None, meaning: str = "") -> Number:
    """A number >= 0."""
    return Number(name, default, low=0.0, meaning=meaning)


def fraction(name: str, default: float | None, meaning: str = "") -> Number:
    """A number in [0, 1)."""
    return Number(name, default, low=0.0, high=1.0, high_open=True, meaning=meaning)


def flag(name: str, default: bool, meaning: str = "") -> Number:
    """True or false, carried as 1.0 or 0.0 so that changing it never recompiles."""
    return Number(name, float(default), flag=True, meaning=meaning)


def check_numbers(kind: str, owner: str, declared: tuple[Number, ...], given: Mapping[str, object],
                  where: str = "") -> dict[str, float]:
    """The full numbers of a rule: ``given`` checked against ``declared``, defaults filled in."""
    laws = {number.name: number for number in declared}
    for name in given:
        if name not in laws:
            raise UnknownName(f"number of {kind} {owner}", name, laws, where)
    full = {}
    for name, number in laws.items():
        if name in given:
            full[name] = number.check(given[name], f"{owner}{', ' + where if where else ''}")
        elif number.default is None:
            raise NumberError(f"{owner} needs {name}, which has no default: {name} {number.law}"
                              + (f" ({where})" if where else ""))
        else:
            full[name] = number.default
    return full


@dataclass(frozen=True)
class Optimizer:
    """An update rule: a factory from numbers to an optax ``GradientTransformation``.

    ``make(**numbers)`` is called inside the traced program with that lane's numbers as float32 scalars, so it must
    not branch on their values in Python. ``equation`` is plain text in the source's letters.
    """

    name: str
    make: Callable[..., Any]
    numbers: tuple[Number, ...]
    title: str = ""
    equation: str = ""
    source: str = ""

    @classmethod
    def plug(cls, name: str, make: Callable[..., Any], **defaults: float) -> Optimizer:
        """An optax optimizer of your own, its numbers declared in one line.

        >>> import optax
        >>> mine = Optimizer.plug("mine", optax.lion, learning_rate=1e-4, b1=0.9)
        """
        numbers = tuple(positive(n, d) if n == "learning_rate" else Number(n, d) for n, d in defaults.items())
        return cls(name, make, numbers, title=name)

    def __call__(self, **numbers: float) -> Any:
        """The transformation with ``numbers`` checked and defaults filled in."""
        return self.make(**check_numbers("optimizer", self.name, self.numbers, numbers))


@dataclass(frozen=True)
class Loss:
    """``function(outputs, targets, **numbers)`` gives one value per example, shape [batch].

    ``outputs`` [batch, ...] come from the model, ``targets`` [batch] or [batch, ...] from the data. The value of a
    batch is the mean over its examples, or their sum where ``reduce`` is "sum".
    """

    name: str
    function: Callable[..., Any]
    numbers: tuple[Number, ...] = ()
    reduce: str = "mean"
    title: str = ""
    equation: str = ""
    source: str = ""

    def __call__(self, outputs: Any, targets: Any, **numbers: Any) -> Any:
        """The scalar value of a batch."""
        values = self.function(outputs, targets, **numbers)
        return values.sum() if self.reduce == "sum" else values.mean()


@dataclass(frozen=True)
class Model:
    """``init(key)`` gives the weights (a pytree of float arrays), ``apply(weights, inputs)`` the outputs of a batch.

    ``watch(weights)`` may name scalars to record at every step (the line fit watches W and b).
    """

    name: str
    init: Callable[[Any], Any]
    apply: Callable[[Any, Any], Any]
    watch: Callable[[Any], Mapping[str, Any]] | None = None


class Split(NamedTuple):
    """Examples: ``inputs`` [n, ...] and ``targets`` [n, ...], numpy arrays of equal length."""

    inputs: Any
    targets: Any


@dataclass(frozen=True)
class Splits:
    """Train, validation and test are three different things. A task may have no validation or test."""

    train: Split
    validation: Split | None = None
    test: Split | None = None


@dataclass(frozen=True)
class Dataset:
    """``load(size, folder)`` gives the Splits: size "sample" (ships in the package) or "full".

    ``folder`` is where the full files lie, or None to look in the usual places. ``files`` are what a full copy holds.
    """

    name: str
    title: str
    load: Callable[[str, Path | None], Splits]
    classes: tuple[str, ...] = ()
    licence: str = ""
    files: tuple[Any, ...] = ()
    has_sample: bool = True


@dataclass(frozen=True)
class Task:
    """A model on a dataset with its metrics.

    ``data(size, folder)`` gives the Splits; ``prepare(inputs)`` turns stored inputs into what the model takes (it runs
    inside the program, so images stay bytes in memory); ``metrics`` map a name to ``f(outputs, targets) -> [batch]``.
    """

    name: str
    model: Model
    data: Callable[[str, Path | None], Splits]
    loss: str | Loss
    title: str = ""
    metrics: Mapping[str, Callable[[Any, Any], Any]] = field(default_factory=dict)
    prepare: Callable[[Any], Any] | None = None
    fingerprint: str | None = None  # of the arrays, where the data is the user's own
