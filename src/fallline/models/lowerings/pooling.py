"""Relu and pooling as one operation on images with the pixels as first axes: [height, width, batch, channels].

A pooling window's four pixels are then four contiguous blocks [batch, channels] of memory: the maximum of strided
slices is a plain loop over long rows, and so is its gradient (natively a scatter, many times slower).
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

NOWHERE = 4
"""The place of a maximum that relu set to zero: it passes no gradient."""


def places_first(x: Any) -> Any:
    """[batch, height, width, channels] as [height, width, batch, channels]; XLA removes it next to ``batch_first``."""
    return x.transpose(1, 2, 0, 3)


def batch_first(x: Any) -> Any:
    return x.transpose(2, 0, 1, 3)


@jax.custom_vjp
def relu_pool(x: Any, bias: Any) -> Any:
    """x [height, width, batch, channels], bias [channels] -> [height // 2, width // 2, batch, channels]."""
    return _forward(x, bias)[0]


def first_maximum(pixels: tuple[Any, ...], bias: Any) -> tuple[Any, Any]:
    """The rectified maximum of four arrays plus bias, and which of them has it first (NOWHERE where relu is 0)."""
    a, b, c, d = pixels
    greatest = jnp.maximum(jnp.maximum(a, b), jnp.maximum(c, d))
    rectified = jax.nn.relu(greatest + jnp.expand_dims(bias, range(greatest.ndim - 1)))
    place = jnp.where(a == greatest, 0, jnp.where(b == greatest, 1, jnp.where(c == greatest, 2, 3)))
    return rectified, jnp.where(rectified > 0, place, NOWHERE).astype(jnp.int8)


def _forward(x: Any, bias: Any) -> tuple[Any, Any]:
    height, width = x.shape[0] // 2 * 2, x.shape[1] // 2 * 2
    inside = x[:height, :width]
    pixels = tuple(inside[row::2, column::2] for row in (0, 1) for column in (0, 1))
    rectified, place = first_maximum(pixels, bias)
    odd = x.shape[0] - height, x.shape[1] - width
    return rectified, (place, odd)


def _backward(kept: Any, gradient: Any) -> tuple[Any, Any]:
    place, odd = kept
    height, width, *rest = gradient.shape
    windows = (height, 1, width, 1, *rest)
    pixels = jnp.arange(4, dtype=jnp.int8).reshape(1, 2, 1, 2, 1, 1)
    spread = jnp.where(place.reshape(windows) == pixels, gradient.reshape(windows), 0.0)
    of_x = spread.reshape(2 * height, 2 * width, *rest)
    if any(odd):
        of_x = jnp.pad(of_x, ((0, odd[0]), (0, odd[1]), (0, 0), (0, 0)))
    return of_x, jnp.where(place < NOWHERE, gradient, 0.0).sum((0, 1, 2))


relu_pool.defvjp(_forward, _backward)
