"""How weights begin, as the frameworks of the published reports draw them."""

from __future__ import annotations

import math
from typing import Any


def uniform_by_inputs(key: Any, shape: tuple[int, ...], inputs: int) -> Any:
    """Uniform between +-1 / sqrt(inputs): what PyTorch's ``nn.Linear`` draws weights and biases from."""
    import jax

    bound = 1 / math.sqrt(inputs)
    return jax.random.uniform(key, shape, minval=-bound, maxval=bound)


def truncated_normal(key: Any, shape: tuple[int, ...], deviation: float) -> Any:
    """A normal cut at two ``deviation``, as TensorFlow 1 draws it: what is left deviates by 0.880 ``deviation``."""
    import jax

    return deviation * jax.random.truncated_normal(key, -2, 2, shape)


def glorot_uniform(key: Any, shape: tuple[int, ...], inputs: int, outputs: int) -> Any:
    """Uniform between +-sqrt(6 / (inputs + outputs)), Keras' default (Glorot and Bengio, 2010, equation 16).

    Of a convolution, ``inputs`` and ``outputs`` count the pixels of the kernel too: rows x columns x channels.
    """
    import jax

    bound = math.sqrt(6 / (inputs + outputs))
    return jax.random.uniform(key, shape, minval=-bound, maxval=bound)
