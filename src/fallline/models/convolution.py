"""Convolution and pooling of images [batch, height, width, channels]."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from fallline.later import Later, jax, jnp

lowerings: Any = Later("fallline.models.lowerings")

_forced: ContextVar[str] = ContextVar("lowering", default="")


@contextmanager
def lowered(name: str) -> Iterator[None]:
    """In this context every convolution that is traced is computed by the lowering of that name, one of
    ``lowerings.LOWERINGS``; an empty name leaves the choice to each convolution.
    """
    token = _forced.set(name)
    try:
        yield
    finally:
        _forced.reset(token)


def convolve(x: Any, kernel: Any, padding: str = "SAME") -> Any:
    """Convolution of images [batch, height, width, in] with a kernel [rows, columns, in, out], stride 1.

    The kernel is not flipped (a cross-correlation). "SAME" pads with zeros and keeps height and width; "VALID" gives
    [batch, height - rows + 1, width - columns + 1, out].
    """
    return lowerings.convolve(x, kernel, _way(x, kernel, pooled=False), padding)


def convolve_relu_pool(x: Any, kernel: Any, bias: Any, padding: str = "SAME") -> Any:
    """``max_pool(relu(convolve(x, kernel) + bias))`` as one operation, faster than its parts."""
    return lowerings.convolve_relu_pool(x, kernel, bias, _way(x, kernel, pooled=True), padding)


def _way(x: Any, kernel: Any, pooled: bool) -> str:
    guess = lowerings.best_lowering(x.shape[0], x.shape[1:], kernel.shape, jax.default_backend(), pooled)
    return _forced.get() or guess


def max_pool(x: Any) -> Any:
    """The maximum of each 2 x 2 pixels, [batch, height // 2, width // 2, channels]; an odd last row or column is
    dropped.

    Written as maxima of four strided slices, which is faster on the CPU than a windowed reduction. Pixels that tie for
    the maximum share the gradient; TensorFlow and PyTorch give it to one of them.
    """
    height, width = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    corners = [x[:, i:height:2, j:width:2] for i in (0, 1) for j in (0, 1)]
    return jnp.maximum(jnp.maximum(*corners[:2]), jnp.maximum(*corners[2:]))
