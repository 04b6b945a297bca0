"""Convolutions. Those of stride 1 go through the lowerings of the built-in convnets, which are fast over lanes."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from fallline.models.convolution import convolve, convolve_relu_pool
from fallline.models.pytorch.registry import operator


def each_dimension(value: Any, count: int) -> list[int]:
    """One value a dimension; a list of one stands for all."""
    value = list(value) if isinstance(value, (list, tuple)) else [value]
    return value * count if len(value) == 1 else value


@operator("conv1d", "conv2d", "conv3d", "conv1d.padding", "conv2d.padding", "conv3d.padding")
def conv(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """x [batch, inputs, ...] with a kernel [outputs, inputs / groups, ...], as a correlation."""
    if input.ndim == weight.ndim - 1:  # one example without a batch
        return conv(input[None], weight, bias, stride, padding, dilation, groups)[0]
    dims = weight.ndim - 2
    stride, dilation = each_dimension(stride, dims), each_dimension(dilation, dims)
    pads = _pads(padding, weight.shape[2:], dilation)
    simple = dims == 2 and groups == 1 and set(stride) == {1} and set(dilation) == {1}
    if simple and all(
        2 * low <= size - 1 and low == high for (low, high), size in zip(pads, weight.shape[2:], strict=True)
    ):
        outputs = _to_channels_first(convolve(*_channels_last(input, weight, pads)))
    else:
        outputs = jax.lax.conv_general_dilated(
            input, weight, stride, pads, rhs_dilation=dilation, feature_group_count=groups
        )
    return outputs if bias is None else outputs + bias.reshape((1, -1) + (1,) * dims)


def conv_relu_pool(input: Any, weight: Any, bias: Any, padding: Any) -> Any:
    """``max_pool2d(relu(conv2d(input, weight, bias, padding=padding)), 2)`` as one operation."""
    bias = jnp.zeros(weight.shape[0], weight.dtype) if bias is None else bias
    images, kernel, how = _channels_last(input, weight, _pads(padding, weight.shape[2:], [1, 1]))
    return _to_channels_first(convolve_relu_pool(images, kernel, bias, how))


def _channels_last(x: Any, kernel: Any, pads: list[tuple[int, int]]) -> tuple[Any, Any, str]:
    """x and kernel as the lowerings take them, and the padding by name; what has no name is filled up first."""
    images, kernel = x.transpose(0, 2, 3, 1), kernel.transpose(2, 3, 1, 0)
    if all(2 * low == size - 1 for (low, _), size in zip(pads, kernel.shape[:2], strict=True)):
        return images, kernel, "SAME"
    return jnp.pad(images, ((0, 0), *pads, (0, 0))), kernel, "VALID"


def _to_channels_first(images: Any) -> Any:
    return images.transpose(0, 3, 1, 2)


def _pads(padding: Any, sizes: Any, dilation: list[int]) -> list[tuple[int, int]]:
    """(before, after) of each dimension."""
    if padding == "valid":
        return [(0, 0)] * len(sizes)
    if padding == "same":
        totals = [step * (size - 1) for size, step in zip(sizes, dilation, strict=True)]
        return [(total // 2, total - total // 2) for total in totals]
    return [(each, each) for each in each_dimension(padding, len(sizes))]


@operator("conv_transpose1d", "conv_transpose2d.input", "conv_transpose3d.input")
def conv_transpose(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """x [batch, inputs, ...] with a kernel [inputs, outputs / groups, ...]: the gradient of a convolution."""
    dims = weight.ndim - 2
    stride, dilation, extra = (
        each_dimension(stride, dims),
        each_dimension(dilation, dims),
        each_dimension(output_padding, dims),
    )
    pads = [
        (step * (size - 1) - pad, step * (size - 1) - pad + more)
        for step, size, pad, more in zip(dilation, weight.shape[2:], each_dimension(padding, dims), extra, strict=True)
    ]
    inputs, outputs, *sizes = weight.shape
    kernel = jnp.flip(weight, tuple(range(2, weight.ndim))).reshape(groups, inputs // groups, outputs, *sizes)
    kernel = kernel.swapaxes(1, 2).reshape(groups * outputs, inputs // groups, *sizes)
    result = jax.lax.conv_general_dilated(
        input, kernel, [1] * dims, pads, lhs_dilation=stride, rhs_dilation=dilation, feature_group_count=groups
    )
    return result if bias is None else result + bias.reshape((1, -1) + (1,) * dims)


@operator("convolution")
def convolution(
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
) -> Any:
    if transposed:
        return conv_transpose(input, weight, bias, stride, padding, output_padding, groups, dilation)
    return conv(input, weight, bias, stride, padding, dilation, groups)
