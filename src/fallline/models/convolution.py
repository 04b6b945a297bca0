"""Convolution and pooling of images [batch, height, width, channels]."""

from __future__ import annotations

from typing import Any


def convolve(x: Any, kernel: Any, padding: str = "SAME") -> Any:
    """Images [batch, height, width, in] with a kernel [rows, columns, in, out], one step at a time, as convnets do.

    The kernel is not turned round (a cross-correlation). "SAME" fills up with zeros and keeps height and width; "VALID"
    gives [batch, height - rows + 1, width - columns + 1, out].
    """
    import jax

    return jax.lax.conv_general_dilated(x, kernel, (1, 1), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def max_pool(x: Any) -> Any:
    """The largest of each 2 x 2 pixels, [batch, height // 2, width // 2, channels]; an odd last row or column is left.

    Written as maxima of four strided slices, which the CPU does faster than a window that is reduced. Where pixels tie
    for the largest, they share the gradient; TensorFlow and PyTorch give it to one of them.
    """
    import jax.numpy as jnp

    height, width = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    corners = [x[:, i:height:2, j:width:2] for i in (0, 1) for j in (0, 1)]
    return jnp.maximum(jnp.maximum(*corners[:2]), jnp.maximum(*corners[2:]))
