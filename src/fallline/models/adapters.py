"""Making a Model of what a person has: an equinox module's constructor, or an init/apply pair."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from fallline.contracts import Model
from fallline.errors import ModelError
from fallline.models.from_equinox import from_equinox


def model(
    init: Callable[[Any], Any],
    apply: Callable[[Any, Any], Any] | None = None,
    *,
    name: str = "",
    watch: Callable[[Any], Mapping[str, Any]] | None = None,
) -> Model:
    """A Model from ``init(key)`` and ``apply(weights, inputs)``, or from ``init(key)`` that makes an equinox module.

    A module is called on one example at a time, as equinox does (``from_equinox`` says what else it may do); an
    ``apply`` of your own gets the whole batch [batch, ...]. ``watch(weights)`` (of a module: ``watch(module)``) names
    scalars to record at every step.

    >>> import equinox as eqx
    >>> net = model(lambda key: eqx.nn.MLP(784, 10, width_size=64, depth=1, key=key), name="mlp-64")
    """
    finished = _finished(init)
    if finished or not callable(init):
        raise ModelError(f"init must be a function of a key, got {type(init).__name__}; {finished or _EQUINOX}")
    if apply is None:
        return from_equinox(init, name=name, watch=watch)
    return Model(name or getattr(apply, "__name__", "model"), init, apply, watch)


_EQUINOX = "for a module write: lambda key: MyModule(..., key=key)"
_FINISHED = (
    ("equinox", "Module", _EQUINOX),
    ("flax.nnx", "Module", "for a module of Flax write: fallline.from_flax(lambda rngs: MyModule(..., rngs=rngs))"),
    ("keras", "Layer", "for a model of Keras write: fallline.from_keras(make_model)"),
)


def _finished(value: object) -> str:
    """What to write where a finished module came in place of its maker (it can be called, but not with a key)."""
    for package, kind, remedy in _FINISHED:
        known = getattr(sys.modules.get(package), kind, None)
        if known is not None and isinstance(value, known):
            return remedy
    return ""
