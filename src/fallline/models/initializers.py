"""Initial weights, as the frameworks of the published reports draw them."""

from __future__ import annotations

import math
from typing import Any


def uniform_by_inputs(key: Any, shape: tuple[int, ...], inputs: int) -> Any:
    """Uniform in +-1 / sqrt(inputs): PyTorch's ``nn.Linear`` draws weights and biases from it."""
    import jax

    bound = 1 / math.sqrt(inputs)
    return jax.random.uniform(key, shape, minval=-bound, maxval=bound)


def truncated_normal(key: Any, shape: tuple[int, ...], deviation: float) -> Any:
    """A normal distribution truncated at two standard deviations, as in TensorFlow 1: its own standard deviation is
    0.880 times ``deviation``.
    """
    import jax

    return deviation * jax.random.truncated_normal(key, -2, 2, shape)


def glorot_uniform(key: Any, shape: tuple[int, ...], inputs: int, outputs: int) -> Any:
    """Uniform in +-sqrt(6 / (inputs + outputs)), Keras' default (Glorot and Bengio, 2010, equation 16).

    For a convolution, ``inputs`` and ``outputs`` include the pixels of the kernel: rows x columns x channels.
    """
    import jax

    bound = math.sqrt(6 / (inputs + outputs))
    return jax.random.uniform(key, shape, minval=-bound, maxval=bound)
