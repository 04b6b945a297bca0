"""The lowerings by name, what each is good for, and a default where nothing was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from fallline.errors import ModelError
from fallline.models.lowerings import frequencies, native, patches, phases, taps

Convolve = Callable[[Any, Any, str], Any]
ConvolveReluPool = Callable[[Any, Any, Any, str], Any]


@dataclass(frozen=True)
class Lowering:
    """One implementation: ``convolve(x, kernel, padding)``, ``convolve_relu_pool(x, kernel, bias, padding)``; its
    purpose.
    """

    name: str
    convolve: Convolve
    convolve_relu_pool: ConvolveReluPool
    good_for: str


LOWERINGS: Mapping[str, Lowering] = MappingProxyType(
    {
        one.name: one
        for one in (
            Lowering("native", native.convolve, native.convolve_relu_pool, "GPUs; kernels of one tap; big pictures"),
            Lowering(
                "frequencies",
                frequencies.convolve,
                frequencies.convolve_relu_pool,
                "CPUs: many channels, kernels of 3x3 and more, small pictures (up to about 32x32)",
            ),
            Lowering(
                "phases",
                phases.convolve,
                phases.convolve_relu_pool,
                "CPUs: few input channels, followed by relu and pooling",
            ),
            Lowering("patches", patches.convolve, patches.convolve_relu_pool, "CPUs: few input channels, no pooling"),
            Lowering("taps", taps.convolve, taps.convolve_relu_pool, "small kernels with many channels; little memory"),
        )
    }
)
"""Every way there is. All agree with ``native`` in value and both gradients to 1e-5 of the largest entry."""

FEW_TAPS = 64
"""A matmul over at most this many inputs (taps x input channels) is fast enough as it is."""
SMALL_PICTURE = 32
"""Transforms cost height x width a pixel and are made for pictures no larger than this."""


def convolve(x: Any, kernel: Any, lowering: str = "native", padding: str = "SAME") -> Any:
    """x [batch, height, width, inputs] with kernel [rows, columns, inputs, outputs], stride 1.

    ``padding`` is "SAME" (zeros around, the size stays) or "VALID". The kernel is not flipped (a correlation), as
    ``jax.lax.conv_general_dilated`` has it. ``ModelError`` where a name is unknown or shapes do not fit.
    """
    return _known(lowering, x, kernel, padding).convolve(x, kernel, padding)


def convolve_relu_pool(x: Any, kernel: Any, bias: Any, lowering: str = "native", padding: str = "SAME") -> Any:
    """``pool(relu(convolve(x, kernel) + bias))`` as one operation; pooling is the maximum of 2x2 at stride 2.

    bias [outputs]; the result is [batch, height // 2, width // 2, outputs]: a last odd row or column is dropped. Where
    two of four pixels are equal the first has the gradient, as natively; they are compared before the bias is added
    ("frequencies" rounds its pixels differently, so it may take another of the equal ones).
    """
    return _known(lowering, x, kernel, padding).convolve_relu_pool(x, kernel, bias, padding)


def best_lowering(
    batch: int, x_shape: tuple[int, ...], kernel_shape: tuple[int, ...], platform: str, pooled: bool = True
) -> str:
    """The best default for x [batch, *x_shape] (height, width, inputs) on "cpu", "gpu" ...

    ``pooled`` says that relu and pooling follow, as in ``convolve_relu_pool``. Measured by benchmarks/convolutions.py
    on two cores at batch sizes from 4 to 150.
    """
    rows, columns, inputs, outputs = kernel_shape
    if platform != "cpu" or rows * columns == 1:
        return "native"
    if rows * columns * inputs <= FEW_TAPS:
        return "phases" if pooled else "patches"
    if max(x_shape[:2]) <= SMALL_PICTURE and rows * columns >= 9 and min(inputs, outputs) >= 8:
        return "frequencies"
    return "native"


def _known(lowering: str, x: Any, kernel: Any, padding: str) -> Lowering:
    if lowering not in LOWERINGS:
        raise ModelError(f"lowering must be one of {', '.join(LOWERINGS)}, got {lowering!r}")
    if padding not in ("SAME", "VALID"):
        raise ModelError(f'padding must be "SAME" or "VALID", got {padding!r}')
    if x.ndim != 4 or kernel.ndim != 4 or x.shape[3] != kernel.shape[2]:
        raise ModelError(
            "x must be [batch, height, width, inputs] and kernel [rows, columns, inputs, outputs] with "
            f"equal inputs, got {tuple(x.shape)} and {tuple(kernel.shape)}"
        )
    return LOWERINGS[lowering]
