"""A point on a surface: its coordinates x and y are the parameters, and the outputs do not depend on the inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fallline.contracts import Model


def surface(name: str, outputs: Callable[[Any, Any], tuple[Any, ...]], x: float, y: float) -> Model:
    """The model whose initial point is (x, y) for every seed; ``outputs(x, y)`` are those of each example.

    Both coordinates are recorded at every step.
    """

    def init(key: Any) -> dict[str, Any]:
        import jax.numpy as jnp

        return {"x": jnp.float32(x), "y": jnp.float32(y)}

    def apply(weights: dict[str, Any], inputs: Any) -> Any:
        import jax.numpy as jnp

        row = jnp.stack(outputs(weights["x"], weights["y"]))
        return jnp.broadcast_to(row, (inputs.shape[0], *row.shape))

    watch: Callable[[dict[str, Any]], dict[str, Any]] = dict
    return Model(name, init, apply, watch)
