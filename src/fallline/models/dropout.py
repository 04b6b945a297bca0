"""Dropout: in training a random fraction of the values is set to zero."""

from __future__ import annotations

from typing import Any

from fallline.contracts import Hyperparameter, fraction


def dropout_rate(default: float, name: str = "dropout_rate") -> Hyperparameter:
    """The hyperparameter of a model with dropout."""
    return fraction(name, default, "fraction of the values that a training step sets to zero")


def dropout(x: Any, rate: Any, key: Any) -> Any:
    """x / (1 - rate) where a value is kept, with probability 1 - rate, else 0; x itself where ``key`` is None.

    The expectation is x, so an evaluation needs no factor (in Srivastava et al., 2014, the evaluation has the factor).
    The random numbers depend on ``key`` and the shape only, and ``rate`` is compared with them: lanes with the same key
    have the same noise, and a value that is dropped in one lane is dropped in every lane of a higher rate.
    """
    if key is None:
        return x
    import jax
    import jax.numpy as jnp

    kept = 1 - rate
    return jnp.where(jax.random.uniform(key, x.shape) < kept, x / kept, 0)
