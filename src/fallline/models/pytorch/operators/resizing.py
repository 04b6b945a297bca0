"""Pictures made larger or smaller."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from fallline.models.pytorch.registry import operator


@operator("upsample_nearest1d", "upsample_nearest1d.vec", "upsample_nearest2d", "upsample_nearest2d.vec")
def nearest(
    self: Any = None,
    input: Any = None,
    output_size: Any = None,
    scale_factors: Any = None,
    scales: Any = None,
    scales_h: Any = None,
    scales_w: Any = None,
) -> Any:
    x = self if input is None else input
    for axis, size in _sizes(x, output_size, scale_factors):
        places = jnp.floor(jnp.arange(size) * (x.shape[axis] / size)).astype(int)
        x = jnp.take(x, places, axis=axis)
    return x


@operator("upsample_bilinear2d", "upsample_bilinear2d.vec", "upsample_linear1d", "upsample_linear1d.vec")
def linear(
    self: Any = None,
    input: Any = None,
    output_size: Any = None,
    align_corners: bool = False,
    scale_factors: Any = None,
    scales: Any = None,
    scales_h: Any = None,
    scales_w: Any = None,
) -> Any:
    x = self if input is None else input
    for axis, size in _sizes(x, output_size, scale_factors):
        old = x.shape[axis]
        if align_corners:
            places = jnp.arange(size) * ((old - 1) / max(size - 1, 1))
        else:
            places = jnp.clip((jnp.arange(size) + 0.5) * (old / size) - 0.5, 0, None)
        low = jnp.floor(places).astype(int)
        high, share = jnp.minimum(low + 1, old - 1), (places - low).astype(x.dtype)
        share = share.reshape([-1 if place == axis else 1 for place in range(x.ndim)])
        x = jnp.take(x, low, axis=axis) * (1 - share) + jnp.take(x, high, axis=axis) * share
    return x


def _sizes(x: Any, output_size: Any, factors: Any) -> list[tuple[int, int]]:
    """The dimensions that change, and their sizes after."""
    spatial = x.shape[2:]
    sizes = output_size or [int(size * factor) for size, factor in zip(spatial, factors, strict=True)]
    return list(enumerate(sizes, 2))
