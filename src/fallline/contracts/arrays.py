"""Questions about arrays that several components ask: one value per example, and sums that keep their precision."""

from __future__ import annotations

import math
from typing import Any


def single(array: Any) -> bool:
    """Whether there is one value per example, [batch] or [batch, 1]."""
    return array.ndim >= 1 and math.prod(array.shape[1:]) == 1


def is_narrow(dtype: Any) -> bool:
    """Whether a type is a float of less than 32 bits: bfloat16, float16 or one of 8 bits."""
    import jax.numpy as jnp

    return jnp.issubdtype(dtype, jnp.floating) and jnp.dtype(dtype).itemsize < 4


def in_float32(array: Any) -> Any:
    """``array``, converted to float32 if its float type is narrower: a sum in bfloat16 keeps two to three digits."""
    import jax.numpy as jnp

    array = jnp.asarray(array)  # pyright: ignore[reportUnknownMemberType]
    return array.astype(jnp.float32) if is_narrow(array.dtype) else array
