"""A straight line, y = W x + b."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fallline.contracts import Model


def line(W: float = 0.3, b: float = -0.3) -> Model:
    """A straight line; its two parameters are recorded at every step.

    Equation::

        y = W x + b

    Args:
        W: initial slope, for every seed
        b: initial intercept, for every seed

    Source: Legendre, 1805
    """

    def init(key: Any) -> dict[str, Any]:
        import jax.numpy as jnp

        return {"W": jnp.float32(W), "b": jnp.float32(b)}

    def apply(weights: dict[str, Any], inputs: Any) -> Any:
        return weights["W"] * inputs + weights["b"]

    watch: Callable[[dict[str, Any]], dict[str, Any]] = dict
    return Model("line", init, apply, watch)
