"""Attention: one fused product."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp

from fallline.models.dropout import dropout
from fallline.models.pytorch.noise import Noise
from fallline.models.pytorch.registry import operator


@operator("scaled_dot_product_attention")
def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    noise: Noise = Noise(None),  # noqa: B008
) -> Any:
    """softmax(Q K^T scale + mask) V over the last two dimensions [places, features] (Vaswani et al., 2017, eq. 1).

    A mask of truth values lets through where it is true; one of numbers is added.
    """
    if enable_gqa:
        groups = query.shape[-3] // key.shape[-3]
        key, value = jnp.repeat(key, groups, -3), jnp.repeat(value, groups, -3)
    scores = jnp.einsum("...qd,...kd->...qk", query, key) * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if is_causal:
        attn_mask = jnp.tril(jnp.ones(scores.shape[-2:], bool))
    if attn_mask is not None:
        scores = jnp.where(attn_mask, scores, -jnp.inf) if attn_mask.dtype == bool else scores + attn_mask
    weights = jax.nn.softmax(scores, -1)
    if dropout_p > 0:
        weights = dropout(weights, noise.dropout_rate(dropout_p), noise.key)
    return jnp.einsum("...qk,...kd->...qd", weights, value)
