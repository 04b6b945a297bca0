"""Modules that are slow to import, imported when an attribute of them is first used.

So the names, hyperparameters and defaults of components can be read without JAX, in a tenth of the time.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


class Later:
    """Imports the module ``name`` when an attribute of it is first asked for."""

    def __init__(self, name: str):
        self.__dict__["__name__"] = name

    def __getattr__(self, name: str) -> Any:
        value = getattr(import_module(self.__name__), name)
        self.__dict__[name] = value
        return value


jax: Any = Later("jax")
jnp: Any = Later("jax.numpy")
optax: Any = Later("optax")
