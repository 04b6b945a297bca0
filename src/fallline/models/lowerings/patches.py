"""A convolution as one matmul with patches (im2col): the inputs of every pixel in a column."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from fallline.models.lowerings.pooling import batch_first, places_first, relu_pool


def convolve(x: Any, kernel: Any, padding: str) -> Any:
    return batch_first(_convolve_places(x, kernel, padding))


def convolve_relu_pool(x: Any, kernel: Any, bias: Any, padding: str) -> Any:
    return batch_first(relu_pool(_convolve_places(x, kernel, padding), bias))


def padded(x: Any, rows: int, columns: int, padding: str) -> Any:
    """x [inputs, height, width, batch] with the zeros that ``padding`` asks for."""
    if padding == "VALID":
        return x
    return jnp.pad(x, ((0, 0), ((rows - 1) // 2, rows // 2), ((columns - 1) // 2, columns // 2), (0, 0)))


def _convolve_places(x: Any, kernel: Any, padding: str) -> Any:
    """x [batch, height, width, inputs] -> [height, width, batch, outputs]."""
    rows, columns, inputs, outputs = kernel.shape
    if inputs > 1:
        return _many_inputs(places_first(x), kernel, padding)
    around = padded(x.transpose(3, 1, 2, 0), rows, columns, padding)
    height, width = around.shape[1] - rows + 1, around.shape[2] - columns + 1
    shifted = jnp.stack(
        [around[:, row : row + height, column : column + width] for row in range(rows) for column in range(columns)]
    )
    product = jax.lax.dot_general(
        shifted.reshape(rows * columns * inputs, -1), kernel.reshape(-1, outputs), (((0,), (0,)), ((), ()))
    )
    return product.reshape(height, width, x.shape[0], outputs)


def _many_inputs(x: Any, kernel: Any, padding: str) -> Any:
    """x [height, width, batch, inputs]: a patch is a row of runs of inputs, so that copies are contiguous."""
    rows, columns, inputs, outputs = kernel.shape
    if padding == "SAME":
        x = jnp.pad(x, (((rows - 1) // 2, rows // 2), ((columns - 1) // 2, columns // 2), (0, 0), (0, 0)))
    height, width = x.shape[0] - rows + 1, x.shape[1] - columns + 1
    shifted = jnp.concatenate(
        [x[row : row + height, column : column + width] for row in range(rows) for column in range(columns)], 3
    )
    return shifted @ kernel.reshape(rows * columns * inputs, outputs)
