"""Pooling: the largest or the mean of windows, written over strided slices, which a CPU computes fast over lanes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np

from fallline.models.pytorch.operators.convolution import each_dimension
from fallline.models.pytorch.registry import operator


def _windows(
    x: Any, kernel: list[int], stride: Any, padding: Any, dilation: Any, ceil_mode: bool, fill: float
) -> Iterator[Any]:
    """Each place of the window over all windows: arrays of the shape of the output, the first place first."""
    dims = len(kernel)
    stride = kernel if stride in ([], None) else each_dimension(stride, dims)
    padding, dilation, lead = each_dimension(padding, dims), each_dimension(dilation, dims), x.ndim - dims
    counts = [
        _count(size, window, step, pad, spread, ceil_mode)
        for size, window, step, pad, spread in zip(x.shape[lead:], kernel, stride, padding, dilation, strict=True)
    ]
    ends = [
        step * (count - 1) + spread * (window - 1) + 1
        for step, count, spread, window in zip(stride, counts, dilation, kernel, strict=True)
    ]
    after = [max(end - size - pad, 0) for end, size, pad in zip(ends, x.shape[lead:], padding, strict=True)]
    if any(padding) or any(after):
        x = jnp.pad(x, [(0, 0)] * lead + list(zip(padding, after, strict=True)), constant_values=fill)
    for place in itertools.product(*map(range, kernel)):
        starts = [index * spread for index, spread in zip(place, dilation, strict=True)]
        parts = [
            slice(start, start + step * (count - 1) + 1, step)
            for start, step, count in zip(starts, stride, counts, strict=True)
        ]
        yield x[(..., *parts)]


def _count(size: int, window: int, step: int, pad: int, spread: int, ceil_mode: bool) -> int:
    """How many windows there are along a dimension; with ``ceil_mode`` the last may reach over the end."""
    room = size + 2 * pad - spread * (window - 1) - 1
    if not ceil_mode:
        return room // step + 1
    count = -(-room // step) + 1
    return count - 1 if (count - 1) * step >= size + pad else count


@operator("max_pool1d", "max_pool2d", "max_pool3d")
def max_pool(
    self: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> Any:
    """The first of equal largest values has the gradient."""
    largest = None
    for part in _windows(self, _kernel(self, kernel_size), stride, padding, dilation, ceil_mode, -math.inf):
        largest = part if largest is None else jnp.where((largest >= part) | jnp.isnan(largest), largest, part)
    return largest


@operator("max_pool1d_with_indices", "max_pool2d_with_indices", "max_pool3d_with_indices")
def max_pool_with_indices(
    self: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> tuple[Any, Any]:
    """The values; the places are for unpooling, which is not known here."""
    values = max_pool(self, kernel_size, stride, padding, dilation, ceil_mode)
    return values, jnp.zeros(values.shape, jnp.int32)


def _kernel(x: Any, kernel_size: Any) -> list[int]:
    if isinstance(kernel_size, (list, tuple)) and len(kernel_size) > 1:
        return list(kernel_size)
    return each_dimension(kernel_size, max(x.ndim - 2, 1))


@operator("avg_pool1d", "avg_pool2d", "avg_pool3d")
def avg_pool(
    self: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    kernel = _kernel(self, kernel_size)

    def total(x: Any, wide: Any) -> Any:
        return sum(_windows(x, kernel, stride, wide, 1, ceil_mode, 0.0))

    summed = total(self, padding)
    if divisor_override:
        return summed / divisor_override
    spatial = self.shape[self.ndim - len(kernel) :]
    pads = each_dimension(padding, len(kernel))
    if count_include_pad:  # the padding counts, what a last window reaches beyond it does not
        ones = np.ones([size + 2 * pad for size, pad in zip(spatial, pads, strict=True)])
        count = total(jnp.asarray(ones), 0)
    else:
        count = total(jnp.ones(spatial), padding)
    return summed / count.astype(summed.dtype)


@operator("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "_adaptive_avg_pool2d")
def adaptive_avg_pool(self: Any, output_size: list[int]) -> Any:
    return _adaptive(self, output_size, jnp.mean)


@operator("adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d")
def adaptive_max_pool(self: Any, output_size: list[int]) -> tuple[Any, Any]:
    values = _adaptive(self, output_size, jnp.max)
    return values, jnp.zeros(values.shape, jnp.int32)


def _adaptive(x: Any, output_size: list[int], of: Callable[..., Any]) -> Any:
    """``of`` over the window of each output i of m, from floor(i n / m) to ceil((i + 1) n / m), by dimension."""
    lead = x.ndim - len(output_size)
    for axis, count in enumerate(output_size, lead):
        size = x.shape[axis]
        if size == count:
            continue
        if size % count == 0:
            x = of(x.reshape(*x.shape[:axis], count, size // count, *x.shape[axis + 1 :]), axis + 1)
            continue
        ends = [(place * size // count, -(-(place + 1) * size // count)) for place in range(count)]
        parts = [of(x[(slice(None),) * axis + (slice(*end),)], axis, keepdims=True) for end in ends]
        x = jnp.concatenate(parts, axis)
    return x
