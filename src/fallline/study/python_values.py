"""Values of array libraries as plain Python, as a study keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LARGEST_WHOLE = 2**63


def to_python(value: Any) -> Any:
    """``value`` with numpy's (or JAX's) scalars and arrays, tuples and ranges as plain numbers and lists.

    ValueError for whole numbers outside 64 bits, which TOML does not have either.
    """
    if isinstance(value, Mapping):
        return {key: to_python(inner) for key, inner in value.items()}
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        value = value.tolist()
    if isinstance(value, (list, tuple, range)):
        return [to_python(inner) for inner in value]
    if isinstance(value, int) and not -LARGEST_WHOLE <= value < LARGEST_WHOLE:
        raise ValueError("a whole number must fit in 64 bits")
    return value
