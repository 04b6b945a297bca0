"""Modules that take long to import, imported where something of them is first used.

An optimizer's name, hyperparameters and defaults can so be read by what only reads a run, in a tenth of the time.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


class Later:
    """Stands for the module ``name`` until an attribute of it is asked for."""

    def __init__(self, name: str):
        self.__dict__["__name__"] = name

    def __getattr__(self, name: str) -> Any:
        value = getattr(import_module(self.__name__), name)
        self.__dict__[name] = value
        return value


jax: Any = Later("jax")
jnp: Any = Later("jax.numpy")
optax: Any = Later("optax")
