"""Operators that move elements and change no value: views, joins, parts."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from fallline.models.pytorch.registry import operator

END = 2**63 - 1
"""What ATen writes for the end of a slice that has none."""


@operator("view", "reshape", "_unsafe_view", "_reshape_alias")
def view(self: Any, size: Any = None, shape: Any = None, stride: Any = None) -> Any:
    return jnp.reshape(self, size if size is not None else shape)


@operator("view_as", "reshape_as")
def view_as(self: Any, other: Any) -> Any:
    return jnp.reshape(self, other.shape)


@operator("flatten.using_ints")
def flatten(self: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    if self.ndim == 0:
        return self[None]
    first, last = start_dim % self.ndim, end_dim % self.ndim
    return jnp.reshape(self, (*self.shape[:first], -1, *self.shape[last + 1 :]))


@operator("unflatten.int")
def unflatten(self: Any, dim: int, sizes: list[int]) -> Any:
    dim %= self.ndim
    return jnp.reshape(self, (*self.shape[:dim], *sizes, *self.shape[dim + 1 :]))


@operator("squeeze")
def squeeze(self: Any, dim: int | list[int] | None = None) -> Any:
    wanted = range(self.ndim) if dim is None else [dim] if isinstance(dim, int) else dim
    gone = {place % self.ndim for place in wanted} if self.ndim else set()
    return jnp.reshape(self, [n for place, n in enumerate(self.shape) if place not in gone or n != 1])


@operator("unsqueeze")
def unsqueeze(self: Any, dim: int) -> Any:
    return jnp.expand_dims(self, dim)


@operator("transpose.int", "swapaxes", "swapdims")
def transpose(self: Any, dim0: Any = None, dim1: Any = None, axis0: Any = None, axis1: Any = None) -> Any:
    first, second = (dim0, dim1) if dim0 is not None else (axis0, axis1)
    return jnp.swapaxes(self, first, second) if self.ndim else self


@operator("t", "numpy_T")
def t(self: Any) -> Any:
    return self.T


@operator("mT", "adjoint")
def mt(self: Any) -> Any:
    return jnp.swapaxes(self, -1, -2)


@operator("permute")
def permute(self: Any, dims: list[int]) -> Any:
    return jnp.transpose(self, dims)


@operator("movedim.intlist", "movedim.int", "moveaxis")
def movedim(self: Any, source: Any, destination: Any) -> Any:
    return jnp.moveaxis(self, source, destination)


@operator("expand")
def expand(self: Any, size: list[int]) -> Any:
    own = (1,) * (len(size) - self.ndim) + self.shape
    return jnp.broadcast_to(self, [old if new == -1 else new for old, new in zip(own, size, strict=True)])


@operator("expand_as")
def expand_as(self: Any, other: Any) -> Any:
    return jnp.broadcast_to(self, other.shape)


@operator("broadcast_to")
def broadcast_to(self: Any, size: list[int]) -> Any:
    return expand(self, size)


@operator("broadcast_tensors")
def broadcast_tensors(tensors: list[Any]) -> Any:
    return jnp.broadcast_arrays(*tensors)


@operator("repeat")
def repeat(self: Any, repeats: list[int]) -> Any:
    return jnp.tile(self, repeats)


@operator("tile")
def tile(self: Any, dims: list[int]) -> Any:
    return jnp.tile(self, dims)


@operator("repeat_interleave.self_int")
def repeat_interleave(self: Any, repeats: int, dim: int | None = None) -> Any:
    return jnp.repeat(self, repeats, axis=dim)


@operator("cat", "concat", "concatenate")
def cat(tensors: list[Any], dim: int = 0) -> Any:
    return jnp.concatenate([each for each in tensors if each.shape != (0,)], axis=dim)


@operator("stack")
def stack(tensors: list[Any], dim: int = 0) -> Any:
    return jnp.stack(tensors, axis=dim)


@operator("split.Tensor")
def split(self: Any, split_size: int, dim: int = 0) -> Any:
    return jnp.split(self, list(range(split_size, self.shape[dim], split_size)), axis=dim)


@operator("split_with_sizes", "split.sizes")
def split_with_sizes(self: Any, split_sizes: Any = None, dim: int = 0, split_size: Any = None) -> Any:
    sizes, ends = split_sizes if split_sizes is not None else split_size, []
    for size in sizes[:-1]:
        ends.append(size + (ends[-1] if ends else 0))
    return jnp.split(self, ends, axis=dim)


@operator("chunk")
def chunk(self: Any, chunks: int, dim: int = 0) -> Any:
    return split(self, -(-self.shape[dim] // chunks), dim)


@operator("unbind")
def unbind(self: Any, dim: int = 0) -> Any:
    return [jax.lax.index_in_dim(self, place, dim, keepdims=False) for place in range(self.shape[dim])]


@operator("slice.Tensor")
def slice_(self: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    return self[_along(self, dim, start, end, step)]


@operator("narrow")
def narrow(self: Any, dim: int, start: int, length: int) -> Any:
    return self[_along(self, dim, start, start + length)]


@operator("select.int")
def select(self: Any, dim: int, index: int) -> Any:
    return jax.lax.index_in_dim(self, index, dim, keepdims=False)


@operator("slice_scatter")
def slice_scatter(self: Any, src: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    return self.at[_along(self, dim, start, end, step)].set(src)


@operator("select_scatter")
def select_scatter(self: Any, src: Any, dim: int, index: int) -> Any:
    return self.at[(slice(None),) * (dim % self.ndim) + (index,)].set(src)


def _along(x: Any, dim: int, start: Any, end: Any, step: int = 1) -> tuple[Any, ...]:
    """The index of a part of one dimension."""
    return (slice(None),) * (dim % x.ndim) + (slice(start, None if end is None or end >= END else end, step),)


@operator("flip")
def flip(self: Any, dims: list[int]) -> Any:
    return jnp.flip(self, dims)


@operator("roll")
def roll(self: Any, shifts: list[int], dims: list[int] = ()) -> Any:
    return jnp.roll(self, shifts, tuple(dims)) if dims else jnp.roll(self, shifts[0])


@operator("tril")
def tril(self: Any, diagonal: int = 0) -> Any:
    return jnp.tril(self, diagonal)


@operator("triu")
def triu(self: Any, diagonal: int = 0) -> Any:
    return jnp.triu(self, diagonal)


@operator("diagonal")
def diagonal(self: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    return jnp.diagonal(self, offset, dim1, dim2)


@operator("constant_pad_nd")
def constant_pad_nd(self: Any, pad: list[int], value: Any = 0) -> Any:
    """``pad`` is (before, after) of the last dimension, then of the one before it; what is negative is cut off."""
    widths = [(0, 0, 0)] * (self.ndim - len(pad) // 2)
    widths += [(pad[place], pad[place + 1], 0) for place in range(len(pad) - 2, -1, -2)]
    return jax.lax.pad(self, jnp.asarray(value, self.dtype), widths)


@operator("pad")
def pad(self: Any, pad: list[int], mode: str = "constant", value: Any = None) -> Any:
    if mode == "constant":
        return constant_pad_nd(self, pad, 0 if value is None else value)
    return _padded(self, pad, {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}[mode])


@operator("reflection_pad1d", "reflection_pad2d", "reflection_pad3d")
def reflection_pad(self: Any, padding: list[int]) -> Any:
    return _padded(self, padding, "reflect")


@operator("replication_pad1d", "replication_pad2d", "replication_pad3d")
def replication_pad(self: Any, padding: list[int]) -> Any:
    return _padded(self, padding, "edge")


def _padded(x: Any, pad: list[int], mode: str) -> Any:
    widths = [(0, 0)] * (x.ndim - len(pad) // 2)
    widths += [(pad[place], pad[place + 1]) for place in range(len(pad) - 2, -1, -2)]
    return jnp.pad(x, widths, mode=mode)


@operator("pixel_shuffle")
def pixel_shuffle(self: Any, upscale_factor: int) -> Any:
    r = upscale_factor
    *lead, c, h, w = self.shape
    parted = self.reshape(*lead, c // r**2, r, r, h, w)
    n = len(lead)
    return parted.transpose(*range(n), n, n + 3, n + 1, n + 4, n + 2).reshape(*lead, c // r**2, h * r, w * r)


@operator("pixel_unshuffle")
def pixel_unshuffle(self: Any, downscale_factor: int) -> Any:
    r = downscale_factor
    *lead, c, h, w = self.shape
    parted = self.reshape(*lead, c, h // r, r, w // r, r)
    n = len(lead)
    return parted.transpose(*range(n), n, n + 2, n + 4, n + 1, n + 3).reshape(*lead, c * r**2, h // r, w // r)


@operator("channel_shuffle")
def channel_shuffle(self: Any, groups: int) -> Any:
    n, c, *rest = self.shape
    return self.reshape(n, groups, c // groups, *rest).swapaxes(1, 2).reshape(n, c, *rest)


@operator("contiguous", "clone", "lift_fresh", "lift_fresh_copy", "to", "_to_copy", "type_as")
def same(self: Any, other: Any = None) -> Any:
    """The tensor itself; its type is that of the graph."""
    return self


@operator("detach", "detach_copy")
def detach(self: Any) -> Any:
    """``detach()`` ends in the graph as ``alias`` too."""
    return jax.lax.stop_gradient(self)


@operator("copy")
def copy(self: Any, src: Any) -> Any:
    return jnp.broadcast_to(src, self.shape)


@operator("unfold")
def unfold(self: Any, dimension: int, size: int, step: int) -> Any:
    dim = dimension % self.ndim
    starts = range(0, self.shape[dim] - size + 1, step)
    parts = [jax.lax.slice_in_dim(self, start, start + size, axis=dim) for start in starts]
    return jnp.moveaxis(jnp.stack(parts, axis=dim), dim + 1, -1)
