"""XLA's own convolution and pooling: the reference for the other lowerings."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp


def convolve(x: Any, kernel: Any, padding: str) -> Any:
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def convolve_relu_pool(x: Any, kernel: Any, bias: Any, padding: str) -> Any:
    rectified = jax.nn.relu(convolve(x, kernel, padding) + bias[None, None, None, :])
    return jax.lax.reduce_window(rectified, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
