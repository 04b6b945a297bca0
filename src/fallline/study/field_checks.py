"""Checks of the fields of a recipe that are not of its batches, and of hyperparameters in the program's 32 bits."""

from __future__ import annotations

import math
import struct
from typing import Any

from fallline.contracts import Hyperparameter
from fallline.errors import HyperparameterError, StudyError, UnknownName
from fallline.models.by_name import SIZES
from fallline.models.deep_mlp import ACTIVATIONS
from fallline.study.formatting import shown

MAX_STEPS = 2**31 - 1
MAX_EPOCHS = 1_000_000

PRECISIONS = ("float32", "tf32", "bfloat16")
"""How matmuls are computed; weights stay float32."""


def check_steps(value: Any, where: str) -> int:
    """A number of steps, or HyperparameterError."""
    if value is None:
        raise StudyError(f"steps is missing ({where}); write steps = 500 or epochs = 10 under [base], for example")
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise HyperparameterError(f"steps must be a whole number >= 1, got {shown(value)} ({where})")
    if value > MAX_STEPS:
        raise HyperparameterError(f"steps must be at most {MAX_STEPS:,}, got {value:,} ({where})")
    return value


def check_epochs(value: Any, where: str) -> float:
    """A number of epochs, which need not be whole, or HyperparameterError."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= MAX_EPOCHS:
        raise HyperparameterError(f"epochs must be a number > 0 and <= {MAX_EPOCHS:,}, got {shown(value)} ({where})")
    return float(value)


def check_precision(value: Any, where: str) -> str:
    """The name of a precision, or UnknownName."""
    if value not in PRECISIONS:
        raise UnknownName("precision of matmuls", value, PRECISIONS, where)
    return value


def check_model(value: Any, where: str) -> str:
    """The name of a model for data from a file, or UnknownName."""
    if value not in SIZES:
        raise UnknownName("model", shown(value) if not isinstance(value, str) else value, SIZES, where)
    return value


def check_activation(value: Any, where: str) -> str:
    """The name of an activation, or UnknownName."""
    if value not in ACTIVATIONS:
        raise UnknownName("activation", shown(value) if not isinstance(value, str) else value, ACTIVATIONS, where)
    return value


def check_width(value: Any, where: str) -> int:
    """Units of a layer, or HyperparameterError."""
    return _size("width", value, 1, 65_536, where)


def check_depth(value: Any, where: str) -> int:
    """A number of layers, or HyperparameterError."""
    return _size("depth", value, 0, 100, where)


def _size(name: str, value: Any, least: int, most: int, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise HyperparameterError(
            f"{name} must be a whole number from {least} to {most:,}, got {shown(value)} ({where})"
        )
    return value


def check_in_float32(hyperparameter: Hyperparameter, value: Any, where: str) -> None:
    """HyperparameterError where ``value`` breaks the law as it is written, or as the program takes it, in 32 bits."""
    exact = hyperparameter.check(value, where)
    for number in exact if isinstance(exact, tuple) else (exact,):
        if number is None:
            continue
        try:
            rounded = struct.unpack("f", struct.pack("f", number))[0]
        except OverflowError:
            rounded = math.inf
        try:
            hyperparameter.check((rounded,) if hyperparameter.many else rounded)
        except HyperparameterError:
            raise HyperparameterError(
                f"{hyperparameter.name} {hyperparameter.law} and be finite after rounding to 32 bits, "
                f"where {value!r} is {rounded} ({where})"
            ) from None
