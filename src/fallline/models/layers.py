"""What nets are put together of: dense layers and the first look at a batch of images."""

from __future__ import annotations

from typing import Any

Layer = dict[str, Any]
"""Weights "W" and biases "b" of a layer; dense weights are [outputs, inputs], kernels [rows, columns, in, out]."""


def dense(layer: Layer, x: Any) -> Any:
    """W x + b of each row of x [batch, inputs]."""
    return x @ layer["W"].T + layer["b"]


def as_images(inputs: Any) -> Any:
    """Images of one channel [batch, 28, 28, 1], also from [batch, 28, 28] or [batch, 784]."""
    return inputs.reshape(inputs.shape[0], 28, 28, 1)
