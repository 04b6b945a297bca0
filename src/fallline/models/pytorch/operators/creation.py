"""Operators that make tensors of given values. Their type is that of the graph."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from fallline.models.pytorch.registry import operator


@operator("zeros", "empty", "new_zeros", "new_empty")
def zeros(size: list[int], self: Any = None) -> Any:
    """``self`` of ``new_zeros`` gives the type alone, as in those below."""
    return jnp.zeros(size)


@operator("ones", "new_ones")
def ones(size: list[int], self: Any = None) -> Any:
    return jnp.ones(size)


@operator("full", "new_full")
def full(size: list[int], fill_value: Any, self: Any = None) -> Any:
    return jnp.full(size, fill_value)


@operator("zeros_like", "empty_like")
def zeros_like(self: Any) -> Any:
    return jnp.zeros_like(self)


@operator("ones_like")
def ones_like(self: Any) -> Any:
    return jnp.ones_like(self)


@operator("full_like", "fill.Scalar", "fill.Tensor")
def full_like(self: Any, fill_value: Any = None, value: Any = None) -> Any:
    return jnp.full(self.shape, fill_value if value is None else value)


@operator("scalar_tensor")
def scalar_tensor(s: Any) -> Any:
    return jnp.asarray(s)


@operator("arange", "arange.start", "arange.start_step")
def arange(end: Any, start: Any = 0, step: Any = 1) -> Any:
    return jnp.arange(start, end, step)


@operator("linspace")
def linspace(start: Any, end: Any, steps: int) -> Any:
    return jnp.linspace(start, end, steps)


@operator("eye", "eye.m")
def eye(n: int, m: int | None = None) -> Any:
    return jnp.eye(n, m)
