"""Operators that draw: dropout of elements and of channels, and random tensors."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from fallline.models.dropout import dropout as dropped
from fallline.models.pytorch.noise import Noise
from fallline.models.pytorch.registry import operator


@operator("dropout")
def dropout(input: Any, p: float, train: bool, noise: Noise) -> Any:
    return dropped(input, noise.dropout_rate(p), noise.key) if train and p > 0 else input


@operator("native_dropout")
def native_dropout(input: Any, p: float, train: bool | None, noise: Noise) -> tuple[Any, Any]:
    """Outputs; the mask beside them serves a gradient that JAX finds by itself."""
    return dropout(input, p, train is not False, noise), jnp.ones(input.shape, bool)


def channel_dropout(mask: Any, own: float, noise: Noise) -> Any:
    """What Dropout2d multiplies by, of the shape of ``mask``: 1 / (1 - rate) for a channel that is kept, else 0."""
    return dropped(jnp.ones(mask.shape, mask.dtype), noise.dropout_rate(own), noise.key)


@operator("alpha_dropout")
def alpha_dropout(input: Any, p: float, train: bool, noise: Noise) -> Any:
    """Dropout that keeps mean and variance of a SELU net (Klambauer et al., 2017, section 2)."""
    if not train or p == 0 or noise.key is None:
        return input
    rate, alpha = noise.dropout_rate(p), -1.7580993408473766
    kept = 1 - rate
    scale = (kept + alpha**2 * kept * rate) ** -0.5
    values = jnp.where(jax.random.uniform(noise.key, input.shape) < kept, input, alpha)
    return scale * values - scale * alpha * rate


def _key(noise: Noise) -> Any:
    return jax.random.key(0) if noise.key is None else noise.key


@operator("rand", "rand_like")
def rand(noise: Noise, size: Any = None, self: Any = None) -> Any:
    return jax.random.uniform(_key(noise), self.shape if size is None else size)


@operator("randn", "randn_like")
def randn(noise: Noise, size: Any = None, self: Any = None) -> Any:
    return jax.random.normal(_key(noise), self.shape if size is None else size)


@operator("bernoulli", "bernoulli.p")
def bernoulli(noise: Noise, self: Any, p: Any = None) -> Any:
    return jax.random.uniform(_key(noise), self.shape) < (self if p is None else p)


@operator("normal_functional")
def normal(noise: Noise, self: Any, mean: float = 0.0, std: float = 1.0) -> Any:
    return mean + std * jax.random.normal(_key(noise), self.shape)
