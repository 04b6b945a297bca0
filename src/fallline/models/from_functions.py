"""A Model of two functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fallline.contracts import Model
from fallline.errors import ModelError
from fallline.models.makers import check_maker


def from_functions(
    init: Callable[[Any], Any],
    apply: Callable[[Any, Any], Any],
    *,
    name: str = "",
    watch: Callable[[Any], Mapping[str, Any]] | None = None,
) -> Model:
    """A Model of ``init(key)``, the initial weights, and ``apply(weights, inputs)``, the outputs of a batch.

    ``name`` is that of ``apply`` if none is given. ``watch(weights)`` returns scalars by name to record at every step.
    ModelError where ``init`` or ``apply`` is no function.

    >>> linear = from_functions(lambda key: {"w": 0.0}, lambda weights, inputs: weights["w"] * inputs, name="linear")
    """
    check_maker(init, "init")
    if not callable(apply):
        raise ModelError(f"apply must be a function of weights and inputs, got {type(apply).__name__}")
    return Model(name or getattr(apply, "__name__", "model"), init, apply, watch)
