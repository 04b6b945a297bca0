"""Operators that sum up dimensions: sums, means, extremes, norms, softmax."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from fallline.models.pytorch.registry import operator


def _axes(dim: Any) -> tuple[int, ...] | int | None:
    """Dimensions as numpy writes them; ATen's empty list means all."""
    return None if dim is None or dim == [] else tuple(dim) if isinstance(dim, (list, tuple)) else dim


@operator("sum", "sum.dim_IntList")
def sum(self: Any, dim: Any = None, keepdim: bool = False) -> Any:
    return jnp.sum(self, _axes(dim), keepdims=keepdim)


@operator("mean", "mean.dim")
def mean(self: Any, dim: Any = None, keepdim: bool = False) -> Any:
    return jnp.mean(self, _axes(dim), keepdims=keepdim)


@operator("prod", "prod.dim_int")
def prod(self: Any, dim: Any = None, keepdim: bool = False) -> Any:
    return jnp.prod(self, _axes(dim), keepdims=keepdim)


@operator("amax")
def amax(self: Any, dim: Any = None, keepdim: bool = False) -> Any:
    return jnp.max(self, _axes(dim), keepdims=keepdim)


@operator("amin")
def amin(self: Any, dim: Any = None, keepdim: bool = False) -> Any:
    return jnp.min(self, _axes(dim), keepdims=keepdim)


@operator("any", "any.dim", "any.dims")
def any(self: Any, dim: Any = None, keepdim: bool = False) -> Any:
    return jnp.any(self, _axes(dim), keepdims=keepdim)


@operator("all", "all.dim", "all.dims")
def all(self: Any, dim: Any = None, keepdim: bool = False) -> Any:
    return jnp.all(self, _axes(dim), keepdims=keepdim)


@operator("max", "max.other")
def max(self: Any, other: Any = None) -> Any:
    return jnp.max(self) if other is None else jnp.maximum(self, other)


@operator("min", "min.other")
def min(self: Any, other: Any = None) -> Any:
    return jnp.min(self) if other is None else jnp.minimum(self, other)


@operator("max.dim")
def max_dim(self: Any, dim: int, keepdim: bool = False) -> Any:
    """Values and places; the gradient goes to the place alone."""
    return _extreme(self, jnp.argmax(self, dim, keepdims=True), dim, keepdim)


@operator("min.dim")
def min_dim(self: Any, dim: int, keepdim: bool = False) -> Any:
    return _extreme(self, jnp.argmin(self, dim, keepdims=True), dim, keepdim)


def _extreme(x: Any, places: Any, dim: int, keepdim: bool) -> tuple[Any, Any]:
    values = jnp.take_along_axis(x, places, axis=dim)
    return (values, places) if keepdim else (values.squeeze(dim), places.squeeze(dim))


@operator("var.correction", "var.dim", "var")
def var(self: Any, dim: Any = None, correction: Any = 1, unbiased: bool = True, keepdim: bool = False) -> Any:
    return jnp.var(self, _axes(dim), ddof=_correction(correction, unbiased), keepdims=keepdim)


@operator("std.correction", "std.dim", "std")
def std(self: Any, dim: Any = None, correction: Any = 1, unbiased: bool = True, keepdim: bool = False) -> Any:
    return jnp.sqrt(var(self, dim, correction, unbiased, keepdim))


@operator("var_mean.correction", "var_mean.dim", "var_mean")
def var_mean(self: Any, dim: Any = None, correction: Any = 1, unbiased: bool = True, keepdim: bool = False) -> Any:
    return var(self, dim, correction, unbiased, keepdim), jnp.mean(self, _axes(dim), keepdims=keepdim)


def _correction(correction: Any, unbiased: bool) -> Any:
    return 0 if not unbiased else 1 if correction is None else correction


@operator("logsumexp")
def logsumexp(self: Any, dim: Any, keepdim: bool = False) -> Any:
    return jax.scipy.special.logsumexp(self, _axes(dim), keepdims=keepdim)


@operator("softmax.int", "_softmax")
def softmax(self: Any, dim: int, half_to_float: bool = False) -> Any:
    return jax.nn.softmax(self, dim)


@operator("log_softmax.int", "_log_softmax")
def log_softmax(self: Any, dim: int, half_to_float: bool = False) -> Any:
    return jax.nn.log_softmax(self, dim)


@operator("linalg_vector_norm")
def vector_norm(self: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False) -> Any:
    """The norm; where it is 0 its gradient is 0, as PyTorch has it."""
    axes = _axes(dim)
    if ord == float("inf"):
        return jnp.max(jnp.abs(self), axes, keepdims=keepdim)
    if ord == 1:
        return jnp.sum(jnp.abs(self), axes, keepdims=keepdim)
    total = jnp.sum(jnp.abs(self) ** ord if ord != 2 else self * self, axes, keepdims=keepdim)
    return jnp.where(total > 0, jnp.where(total > 0, total, 1.0) ** (1 / ord), 0.0)


@operator("norm.ScalarOpt_dim", "norm.Scalar")
def norm(self: Any, p: Any = 2, dim: Any = None, keepdim: bool = False) -> Any:
    return vector_norm(self, 2 if p is None else p, dim, keepdim)
