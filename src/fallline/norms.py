"""The Euclidean norm of arrays whose squares may overflow or underflow in float32."""

from __future__ import annotations

from typing import Any

EXPONENT = 0x7F800000
"""The bits of a float32 that hold its exponent: alone, they are a power of two."""


def norm_of(tree: Any) -> Any:
    """``sqrt(sum x^2)`` over all entries of a tree of float arrays, a scalar; inf or nan where an entry is."""
    scale, rest = norm_in_parts(tree)
    return scale * rest


def norm_in_parts(tree: Any) -> tuple[Any, Any]:
    """The norm as a power of two and the remaining factor, between 1 and the square root of the number of entries:
    their product may overflow.

    The squares are those of ``x / 2^k``, where 2^k is the power of two of the largest entry: so entries of 1e20 or
    1e-30 have a norm, where their squares would overflow or underflow. A division by a power of two is exact, so the
    result is that of the plain formula wherever that holds.
    """
    import jax
    import jax.numpy as jnp

    leaves = [leaf for leaf in jax.tree.leaves(tree) if leaf.size]
    if not leaves:
        return jnp.float32(1), jnp.float32(0)
    largest = jnp.max(jnp.stack([jnp.max(jnp.abs(leaf)).astype(jnp.float32) for leaf in leaves]))
    scale = power_of_two(largest)
    return scale, jnp.sqrt(sum(jnp.sum((leaf / scale) ** 2) for leaf in leaves))


def power_of_two(value: Any) -> Any:
    """The largest power of two that is at most ``value`` >= 0, a float32 scalar, and at most 2^126; 1 for values below
    1.2e-38, inf and nan.
    """
    import jax
    import jax.numpy as jnp

    usable = jnp.isfinite(value) & (value >= jnp.finfo(jnp.float32).tiny)
    held = jnp.minimum(value, 2.0**126)  # 1 / 2^127, by which a compiled program may multiply, would be 0
    bits = jax.lax.bitcast_convert_type(jnp.where(usable, held, 1.0), jnp.int32)
    return jax.lax.bitcast_convert_type(bits & EXPONENT, jnp.float32)
