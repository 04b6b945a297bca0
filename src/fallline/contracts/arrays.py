"""What several parts ask of arrays: one value an example, and sums that keep their digits."""

from __future__ import annotations

import math
from typing import Any


def single(array: Any) -> bool:
    """Whether there is one value an example, [batch] or [batch, 1]."""
    return array.ndim >= 1 and math.prod(array.shape[1:]) == 1


def is_narrow(dtype: Any) -> bool:
    """Whether a type is a float of less than 32 bits: bfloat16, float16 and those of 8 bits."""
    import jax.numpy as jnp

    return jnp.issubdtype(dtype, jnp.floating) and jnp.dtype(dtype).itemsize < 4


def in_float32(array: Any) -> Any:
    """``array``, one of a narrower float in float32: a sum in bfloat16 has two digits and a half."""
    import jax.numpy as jnp

    array = jnp.asarray(array)  # pyright: ignore[reportUnknownMemberType]
    return array.astype(jnp.float32) if is_narrow(array.dtype) else array
