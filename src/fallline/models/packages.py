"""Optional packages, imported where a model needs them, or an error that says what to install."""

from __future__ import annotations

import importlib
import os
from typing import Any

from fallline.errors import ModelError


def need_flax() -> Any:
    """The module ``flax.nnx``, or ModelError where Flax is not installed."""
    try:
        importlib.import_module("flax")
        return importlib.import_module("flax.nnx")
    except ModuleNotFoundError as missing:
        if missing.name != "flax":
            raise
        raise ModelError("Flax is not installed; write: pip install 'fallline[flax]'") from None


def need_keras() -> Any:
    """Keras 3 on JAX, or ModelError where it is not installed or runs on another backend."""
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")  # Keras' default
    try:
        keras = importlib.import_module("keras")
        backend = keras.config.backend()
    except ModuleNotFoundError as missing:
        if missing.name == "keras":
            raise ModelError("Keras 3 is not installed; write: pip install 'fallline[keras]'") from None
        if backend == "jax":
            raise
    if backend != "jax":
        raise ModelError(
            f"from_keras needs Keras 3 on JAX, but it runs on {backend}; "
            "set the environment variable KERAS_BACKEND=jax before keras is imported"
        )
    return keras


def need_torch() -> Any:
    """PyTorch, or ModelError where it is not installed."""
    try:
        return importlib.import_module("torch")
    except ModuleNotFoundError as missing:
        if missing.name != "torch":
            raise
        raise ModelError(
            "PyTorch is not installed; write: pip install 'fallline[torch]' (on Linux the default is its build for "
            "NVIDIA GPUs, several gigabytes; docs/pytorch.md says how to install the one for CPUs)"
        ) from None
