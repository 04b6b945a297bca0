"""A convolution as one matmul per tap: the shifted image times the tap's inputs x outputs, summed."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from fallline.models.lowerings.pooling import batch_first, places_first, relu_pool


def convolve(x: Any, kernel: Any, padding: str) -> Any:
    return batch_first(_convolve_places(places_first(x), kernel, padding))


def convolve_relu_pool(x: Any, kernel: Any, bias: Any, padding: str) -> Any:
    return batch_first(relu_pool(_convolve_places(places_first(x), kernel, padding), bias))


def _convolve_places(x: Any, kernel: Any, padding: str) -> Any:
    """x [height, width, batch, inputs] -> [height, width, batch, outputs]."""
    rows, columns = kernel.shape[:2]
    if padding == "SAME":
        x = jnp.pad(x, (((rows - 1) // 2, rows // 2), ((columns - 1) // 2, columns // 2), (0, 0), (0, 0)))
    height, width = x.shape[0] - rows + 1, x.shape[1] - columns + 1
    return sum(
        x[row : row + height, column : column + width] @ kernel[row, column]
        for row in range(rows)
        for column in range(columns)
    )
