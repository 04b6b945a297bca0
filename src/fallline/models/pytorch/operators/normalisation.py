"""Layers that bring values to mean 0 and variance 1: over the batch, over an example, over groups of channels."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from fallline.models.pytorch.registry import operator


def _shown(vector: Any, x: Any) -> Any:
    """A value a channel beside x [batch, channels, ...]."""
    return vector.reshape((1, -1) + (1,) * (x.ndim - 2))


def _scaled(x: Any, weight: Any, bias: Any) -> Any:
    x = x if weight is None else x * _shown(weight, x)
    return x if bias is None else x + _shown(bias, x)


@operator("_native_batch_norm_legit_functional", "native_batch_norm")
def batch_norm_functional(
    input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, training: bool, momentum: float, eps: float
) -> tuple[Any, ...]:
    """Outputs, mean, 1 / deviation, and the running statistics after this batch (Ioffe and Szegedy, 2015).

    The running variance takes the unbiased one of the batch, the outputs the biased, as PyTorch has it.
    """
    if not training:
        return (*no_training(input, weight, bias, running_mean, running_var, momentum, eps), running_mean, running_var)
    axes, count = (0, *range(2, input.ndim)), input.size // input.shape[1]
    mean, var = jnp.mean(input, axes), jnp.var(input, axes)
    scale = jax.lax.rsqrt(var + eps)
    outputs = _scaled((input - _shown(mean, input)) * _shown(scale, input), weight, bias)
    unbiased = var * (count / max(count - 1, 1))
    new_mean = (1 - momentum) * running_mean + momentum * mean
    return outputs, mean, scale, new_mean, (1 - momentum) * running_var + momentum * unbiased


@operator("_native_batch_norm_legit_no_training")
def no_training(
    input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, momentum: float, eps: float
) -> tuple[Any, ...]:
    scale = jax.lax.rsqrt(running_var + eps)
    outputs = _scaled((input - _shown(running_mean, input)) * _shown(scale, input), weight, bias)
    return outputs, jnp.zeros(0), jnp.zeros(0)


@operator("_native_batch_norm_legit.no_stats")
def without_statistics(
    input: Any, weight: Any, bias: Any, training: bool, momentum: float, eps: float
) -> tuple[Any, ...]:
    nothing = jnp.zeros(input.shape[1])
    return batch_norm_functional(input, weight, bias, nothing, nothing, True, momentum, eps)[:3]


@operator("batch_norm")
def batch_norm(
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> Any:
    if training or running_mean is None:
        return without_statistics(input, weight, bias, True, momentum, eps)[0]
    return no_training(input, weight, bias, running_mean, running_var, momentum, eps)[0]


@operator("layer_norm")
def layer_norm(
    input: Any,
    normalized_shape: list[int],
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Any:
    return native_layer_norm(input, normalized_shape, weight, bias, eps)[0]


@operator("native_layer_norm")
def native_layer_norm(input: Any, normalized_shape: list[int], weight: Any, bias: Any, eps: float) -> tuple[Any, ...]:
    axes = tuple(range(-len(normalized_shape), 0))
    mean, var = jnp.mean(input, axes, keepdims=True), jnp.var(input, axes, keepdims=True)
    scale = jax.lax.rsqrt(var + eps)
    outputs = (input - mean) * scale
    outputs = outputs if weight is None else outputs * weight
    return outputs if bias is None else outputs + bias, mean, scale


@operator("rms_norm")
def rms_norm(input: Any, normalized_shape: list[int], weight: Any = None, eps: float | None = None) -> Any:
    axes = tuple(range(-len(normalized_shape), 0))
    eps = float(jnp.finfo(input.dtype).eps) if eps is None else eps
    outputs = input * jax.lax.rsqrt(jnp.mean(input * input, axes, keepdims=True) + eps)
    return outputs if weight is None else outputs * weight


@operator("group_norm")
def group_norm(
    input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5, cudnn_enabled: bool = True
) -> Any:
    grouped = input.reshape(input.shape[0], num_groups, -1)
    mean, var = jnp.mean(grouped, 2, keepdims=True), jnp.var(grouped, 2, keepdims=True)
    return _scaled(((grouped - mean) * jax.lax.rsqrt(var + eps)).reshape(input.shape), weight, bias)


@operator("native_group_norm")
def native_group_norm(
    input: Any, weight: Any, bias: Any, N: Any, C: Any, HxW: Any, group: int, eps: float
) -> tuple[Any, ...]:
    return group_norm(input, group, weight, bias, eps), jnp.zeros(0), jnp.zeros(0)


@operator("instance_norm")
def instance_norm(
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> Any:
    if not use_input_stats:
        return no_training(input, weight, bias, running_mean, running_var, momentum, eps)[0]
    return group_norm(input, input.shape[1], weight, bias, eps)
