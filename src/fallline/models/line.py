"""A straight line, y = W x + b."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fallline.contracts import Model


def line(W: float = 0.3, b: float = -0.3) -> Model:
    """The line that starts at slope ``W`` and intercept ``b`` for every seed; both are watched."""

    def init(key: Any) -> dict[str, Any]:
        import jax.numpy as jnp

        return {"W": jnp.float32(W), "b": jnp.float32(b)}

    def apply(weights: dict[str, Any], inputs: Any) -> Any:
        return weights["W"] * inputs + weights["b"]

    watch: Callable[[dict[str, Any]], dict[str, Any]] = dict
    return Model("line", init, apply, watch)
