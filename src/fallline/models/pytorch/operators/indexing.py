"""Operators that look up, place or order elements."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from fallline.models.pytorch.registry import operator


@operator("embedding")
def embedding(
    weight: Any, indices: Any, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False
) -> Any:
    if scale_grad_by_freq:
        raise NotImplementedError("aten.embedding with scale_grad_by_freq=True")
    rows = weight[indices]
    if padding_idx < 0:
        return rows
    return jnp.where((indices == padding_idx)[..., None], jax.lax.stop_gradient(rows), rows)


@operator("index.Tensor")
def index(self: Any, indices: list[Any]) -> Any:
    return self[_full(indices)]


@operator("index_put")
def index_put(self: Any, indices: list[Any], values: Any, accumulate: bool = False) -> Any:
    place = self.at[_full(indices)]
    return place.add(values) if accumulate else place.set(values)


def _full(indices: list[Any]) -> tuple[Any, ...]:
    if any(each is not None and each.dtype == bool for each in indices):
        raise NotImplementedError("an index that is a mask, whose result has a shape that depends on values; use where")
    return tuple(slice(None) if each is None else each for each in indices)


@operator("index_select")
def index_select(self: Any, dim: int, index: Any) -> Any:
    return jnp.take(self, index, axis=dim)


@operator("gather")
def gather(self: Any, dim: int, index: Any) -> Any:
    return _scattered(self, dim, index)[1]


@operator("scatter.src", "scatter.value")
def scatter(self: Any, dim: int, index: Any, src: Any = None, value: Any = None) -> Any:
    place = _scattered(self, dim, index)[0]
    return place.set(value if src is None else src[tuple(map(slice, index.shape))])


@operator("scatter_add")
def scatter_add(self: Any, dim: int, index: Any, src: Any) -> Any:
    return _scattered(self, dim, index)[0].add(src[tuple(map(slice, index.shape))])


def _scattered(x: Any, dim: int, index: Any) -> tuple[Any, Any]:
    """The places of x that ``index`` names along one dimension: to write to, and what is there."""
    grid = list(jnp.meshgrid(*map(jnp.arange, index.shape), indexing="ij", sparse=True))
    grid[dim % x.ndim] = index
    return x.at[tuple(grid)], x[tuple(grid)]


@operator("one_hot")
def one_hot(self: Any, num_classes: int = -1) -> Any:
    if num_classes < 0:
        raise NotImplementedError("aten.one_hot without num_classes, whose result has a shape that depends on values")
    return jax.nn.one_hot(self, num_classes)


@operator("argmax")
def argmax(self: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    return jnp.argmax(self, dim, keepdims=keepdim)


@operator("argmin")
def argmin(self: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    return jnp.argmin(self, dim, keepdims=keepdim)


@operator("sort")
def sort(self: Any, dim: int = -1, descending: bool = False) -> Any:
    return _ordered(self, argsort(self, dim, descending), dim)


@operator("argsort")
def argsort(self: Any, dim: int = -1, descending: bool = False) -> Any:
    return jnp.argsort(self, axis=dim, descending=descending)


@operator("topk")
def topk(self: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    order = argsort(self, dim, largest)
    return _ordered(self, jax.lax.slice_in_dim(order, 0, k, axis=dim % self.ndim), dim)


def _ordered(x: Any, order: Any, dim: int) -> tuple[Any, Any]:
    return jnp.take_along_axis(x, order, axis=dim), order


@operator("cumsum")
def cumsum(self: Any, dim: int) -> Any:
    return jnp.cumsum(self, axis=dim)


@operator("cumprod")
def cumprod(self: Any, dim: int) -> Any:
    return jnp.cumprod(self, axis=dim)


@operator("bucketize.Tensor")
def bucketize(self: Any, boundaries: Any, right: bool = False) -> Any:
    return jnp.searchsorted(boundaries, self, side="right" if right else "left")
