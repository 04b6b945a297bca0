"""Makers of models: functions of a random key, not the finished module."""

from __future__ import annotations

import sys
from typing import Any

from fallline.errors import ModelError

_EQUINOX = "for a module write: fallline.from_equinox(lambda key: MyModule(..., key=key))"
_FINISHED = (
    ("equinox", "Module", _EQUINOX),
    ("flax.nnx", "Module", "for a module of Flax write: fallline.from_flax(lambda rngs: MyModule(..., rngs=rngs))"),
    ("keras", "Layer", "for a model of Keras write: fallline.from_keras(make_model)"),
)


def check_maker(make: Any, parameter: str) -> None:
    """ModelError where the argument ``parameter`` is not a function of a key but, say, a finished module, which is
    callable too.
    """
    remedy = "" if callable(make) else _EQUINOX
    for package, kind, instead in _FINISHED:
        known = getattr(sys.modules.get(package), kind, None)
        if known is not None and isinstance(make, known):
            remedy = instead
    if remedy:
        raise ModelError(f"{parameter} must be a function of a key, got {type(make).__name__}; {remedy}")
