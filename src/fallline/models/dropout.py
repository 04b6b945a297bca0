"""Dropout: in training a share of the values is set to zero, at random."""

from __future__ import annotations

from typing import Any

from fallline.contracts import Hyperparameter, fraction


def dropout_rate(default: float, name: str = "dropout_rate") -> Hyperparameter:
    """The number of a model that drops values."""
    return fraction(name, default, "share of the values that a training step sets to zero")


def dropout(x: Any, rate: Any, key: Any) -> Any:
    """x / (1 - rate) where a value is kept, with probability 1 - rate, else 0; x itself where ``key`` is None.

    The expectation is x, so an evaluation needs no factor (Srivastava et al., 2014, whose training leaves the factor to
    the evaluation). What is drawn hangs on ``key`` and the shape alone, and ``rate`` is compared with it: lanes that
    share a key share their noise, and a value that a lane drops is dropped in every lane of a higher rate.
    """
    if key is None:
        return x
    import jax
    import jax.numpy as jnp

    kept = 1 - rate
    return jnp.where(jax.random.uniform(key, x.shape) < kept, x / kept, 0)
