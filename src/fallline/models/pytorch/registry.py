"""Which operators of ATen are known here, and how their arguments are found by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

_OPERATORS: dict[str, Callable[..., Any]] = {}

PLACEMENT = frozenset(
    {"dtype", "layout", "device", "pin_memory", "memory_format", "non_blocking", "copy", "generator", "implicit"}
)
"""Arguments that say where and how a tensor is stored. The type of each result is known from the graph."""


def operator(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Registers a function for the operators of these names, ``add`` or ``add.Tensor``, without ``aten.``.

    The function takes the arguments by the names of ATen's schema; those it does not name must be ``PLACEMENT``, or
    have their default. One that takes ``noise`` gets the ``Noise`` of its place in the graph.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            assert name not in _OPERATORS, name
            _OPERATORS[name] = function
        return function

    return register


@cache
def operators() -> Mapping[str, Callable[..., Any]]:
    """Every operator by name, ``add`` or, where overloads differ, ``add.Tensor``."""
    package = import_module("fallline.models.pytorch.operators")
    for module in iter_modules(package.__path__):
        import_module(f"{package.__name__}.{module.name}")
    return _OPERATORS


def known(target: Any) -> Callable[..., Any] | None:
    """The function of an ``OpOverload``, None where it is not known here."""
    name = name_of(target)
    return operators()[name] if name else None


def name_of(target: Any) -> str:
    """Under which name an ``OpOverload`` is registered, an empty text where it is not."""
    namespace, _, name = target._schema.name.partition("::")
    names = (f"{name}.{target._overloadname}", name) if namespace == "aten" else ()
    return next((each for each in names if each in operators()), "")


@cache
def takes(function: Callable[..., Any]) -> frozenset[str]:
    """The names of a function's arguments."""
    return frozenset(inspect.signature(function).parameters)


def arguments(target: Any, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict:
    """The arguments of a call by name, as ``function`` takes them.

    NotImplementedError where one that it does not take has another value than its default.
    """
    given = dict(zip((argument.name for argument in target._schema.arguments), args, strict=False)) | dict(kwargs)
    named, found = takes(function), {}
    for argument in target._schema.arguments:
        name = argument.name
        if name not in given:
            continue
        if name in named:
            found[name] = given[name]
        elif name not in PLACEMENT and not (argument.has_default_value() and given[name] == argument.default_value):
            raise NotImplementedError(f"{target} with {name}={given[name]!r}")
    return found
