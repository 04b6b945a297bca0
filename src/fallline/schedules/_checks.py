"""Checks of hyperparameters that belong together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fallline.errors import HyperparameterError, StudyError


def check_one_of(*names: str) -> Callable[[Mapping[str, Any], str], None]:
    """A check that exactly one of ``names`` is given."""

    def check(hyperparameters: Mapping[str, Any], where: str) -> None:
        check_at_most_one(*names)(hyperparameters, where)
        if all(hyperparameters[name] is None for name in names):
            raise StudyError(f"{' or '.join(names)} is missing ({where}); give one of them")

    return check


def check_at_most_one(*names: str) -> Callable[[Mapping[str, Any], str], None]:
    """A check that no two of ``names`` are given."""

    def check(hyperparameters: Mapping[str, Any], where: str) -> None:
        given = [name for name in names if hyperparameters[name] is not None]
        if len(given) > 1:
            values = ", ".join(f"{name} {hyperparameters[name]!r}" for name in given)
            raise StudyError(f"{' and '.join(names)} are alternatives, got {values} ({where}); keep one of them")

    return check


def check_whole(hyperparameters: Mapping[str, Any], names: tuple[str, ...], where: str) -> None:
    """HyperparameterError where a count is not an integer."""
    for name in names:
        if hyperparameters[name] != int(hyperparameters[name]):
            raise HyperparameterError(f"{name} must be a whole number, got {hyperparameters[name]!r} ({where})")
