"""What the fields of a recipe may hold, checked where they are written."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from typing import Any

from fallline.batching import (
    check_batch_of,
    check_batch_size,
    check_last,
    check_order,
    check_overlap,
    check_subset,
    check_subset_from,
)
from fallline.contracts import Hyperparameter
from fallline.errors import HyperparameterError, StudyError, UnknownName
from fallline.study.formatting import shown

MAX_STEPS = 2**31 - 1
MAX_EPOCHS = 1_000_000


def check_steps(value: Any, where: str) -> int:
    """A number of steps, or NumberError."""
    if value is None:
        raise StudyError(f"steps is missing ({where}); write steps = 500 or epochs = 10 under [base], for example")
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise HyperparameterError(f"steps must be a whole number >= 1, got {shown(value)} ({where})")
    if value > MAX_STEPS:
        raise HyperparameterError(f"steps must be at most {MAX_STEPS:,}, got {value:,} ({where})")
    return value


def check_epochs(value: Any, where: str) -> float:
    """A number of epochs, which need not be whole, or NumberError."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= MAX_EPOCHS:
        raise HyperparameterError(f"epochs must be a number > 0 and <= {MAX_EPOCHS:,}, got {shown(value)} ({where})")
    return float(value)


PRECISIONS = ("float32", "tf32", "bfloat16")
"""How products are computed; weights stay float32."""


def check_precision(value: Any, where: str) -> str:
    """The name of a precision, or UnknownName."""
    if value not in PRECISIONS:
        raise UnknownName("precision of products", value, PRECISIONS, where)
    return value


_CHECKS: Mapping[str, Callable[[Any, str], Any]] = {
    "batch_size": check_batch_size,
    "batch_of": check_batch_of,
    "order": check_order,
    "overlap": check_overlap,
    "subset": check_subset,
    "subset_from": check_subset_from,
    "last_batch": check_last,
    "steps": check_steps,
    "epochs": check_epochs,
    "precision": check_precision,
}

FIELDS = tuple(_CHECKS)
"""What a recipe has besides its parts and their numbers."""

BUDGETS = ("steps", "epochs")


def check_field(name: str, value: Any, where: str) -> Any:
    """``value`` as the field of that name keeps it, or an error with the law, the value and the place."""
    return _CHECKS[name](value, where)


def check_number(number: Hyperparameter, value: Any, where: str) -> None:
    """Lawful as written, and as the program takes it."""
    exact = number.check(value, where)
    for one in exact if isinstance(exact, tuple) else (exact,):
        if one is None:
            continue
        try:
            rounded = struct.unpack("f", struct.pack("f", one))[0]
        except OverflowError:
            rounded = math.inf
        try:
            number.check((rounded,) if number.many else rounded)
        except HyperparameterError:
            raise HyperparameterError(
                f"{number.name} {number.law} and be finite after rounding to 32 bits, "
                f"where {value!r} is {rounded} ({where})"
            ) from None
