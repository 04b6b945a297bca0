"""Convolution, relu and pooling of few input channels: one wide matmul for the four pixels of each pooling window.

A 2x2 window of a rows x columns convolution sees (rows + 1) x (columns + 1) inputs. One row of patches per window,
times the kernel at its four shifts side by side, gives the window's four pixels next to each other: a quarter of the
patches, a matmul four times as wide, and pooling within a row. It takes 36/25 of the multiplications for 5x5.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from fallline.models.lowerings import patches
from fallline.models.lowerings.pooling import NOWHERE, first_maximum

SHIFTS = ((0, 0), (0, 1), (1, 0), (1, 1))


def convolve(x: Any, kernel: Any, padding: str) -> Any:
    """Without pooling there are no windows: plain patches."""
    return patches.convolve(x, kernel, padding)


def convolve_relu_pool(x: Any, kernel: Any, bias: Any, padding: str) -> Any:
    rows, columns, _, outputs = kernel.shape
    padded = patches.padded(x.transpose(3, 1, 2, 0), rows, columns, padding)
    height, width = (padded.shape[1] - rows + 1) // 2, (padded.shape[2] - columns + 1) // 2
    windows = jnp.stack(
        [
            padded[:, row : row + 2 * height - 1 : 2, column : column + 2 * width - 1 : 2]
            for row in range(rows + 1)
            for column in range(columns + 1)
        ]
    )
    shifted = jnp.stack(
        [jnp.pad(kernel, ((row, 1 - row), (column, 1 - column), (0, 0), (0, 0))) for row, column in SHIFTS], 3
    )
    rectified = _windows_relu_pool(
        windows.reshape(-1, height * width * x.shape[0]), shifted.reshape(-1, 4 * outputs), bias
    )
    return rectified.reshape(height, width, x.shape[0], outputs).transpose(2, 0, 1, 3)


@jax.custom_vjp
def _windows_relu_pool(windows: Any, kernel: Any, bias: Any) -> Any:
    """windows [inputs, n], kernel [inputs, 4 x outputs], bias [outputs] -> [n, outputs]."""
    return _forward(windows, kernel, bias)[0]


def _forward(windows: Any, kernel: Any, bias: Any) -> tuple[Any, Any]:
    pixels = jax.lax.dot_general(windows, kernel, (((0,), (0,)), ((), ())))
    rectified, place = first_maximum(tuple(jnp.split(pixels, 4, 1)), bias)
    return rectified, (windows, kernel, place)


def _backward(kept: Any, gradient: Any) -> tuple[Any, Any, Any]:
    windows, kernel, place = kept
    # Four matmuls: side by side XLA would compute each pixel four times, which is eight times slower.
    pixels = [jnp.where(place == pixel, gradient, 0.0) for pixel in range(4)]
    of_kernel = jnp.concatenate([windows @ pixel for pixel in pixels], 1)
    of_windows = sum(part @ one.T for part, one in zip(jnp.split(kernel, 4, 1), pixels, strict=True))
    return of_windows, of_kernel, jnp.where(place < NOWHERE, gradient, 0.0).sum(0)


_windows_relu_pool.defvjp(_forward, _backward)
