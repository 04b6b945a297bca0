"""Numbers that several schedules share, and the laws that bind two of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fallline.contracts import Hyperparameter, flag, nonnegative, positive
from fallline.errors import HyperparameterError, StudyError


def decay_steps(meaning: str) -> Hyperparameter:
    """The length of a decay in steps."""
    return positive("decay_steps", None, meaning, optional=True)


def decay_epochs(meaning: str) -> Hyperparameter:
    """The length of a decay in epochs."""
    return positive("decay_epochs", None, meaning, optional=True)


def staircase() -> Hyperparameter:
    """Whether a decay goes by whole turns."""
    return flag("staircase", False, "whether the factor changes only after each whole decay_steps or decay_epochs")


def end_factor(default: float) -> Hyperparameter:
    """Where a decay ends."""
    return nonnegative("end_factor", default, "factor at the end")


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
            said = ", ".join(f"{name} {hyperparameters[name]!r}" for name in given)
            raise StudyError(
                f"{' and '.join(names)} say the same thing in two ways, got {said} ({where}); keep one of them"
            )

    return check


def check_whole(hyperparameters: Mapping[str, Any], names: tuple[str, ...], where: str) -> None:
    """NumberError where a number that counts something is not whole."""
    for name in names:
        if hyperparameters[name] != int(hyperparameters[name]):
            raise HyperparameterError(f"{name} must be a whole number, got {hyperparameters[name]!r} ({where})")
