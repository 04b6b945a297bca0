"""Making a Model of what a person has: an equinox module's constructor, or an init/apply pair."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from fallline.contracts import Model
from fallline.errors import ModelError


def model(init: Callable[[Any], Any], apply: Callable[[Any, Any], Any] | None = None, *, name: str = "",
          watch: Callable[[Any], Mapping[str, Any]] | None = None) -> Model:
    """A Model from ``init(key)`` and ``apply(weights, inputs)``, or from ``init(key)`` that makes an equinox module.

    A module is called on one example at a time, as equinox does; an ``apply`` of your own gets the whole batch
    [batch, ...]. ``watch(weights)`` (of a module: ``watch(module)``) names scalars to record at every step.

    >>> import equinox as eqx
    >>> net = model(lambda key: eqx.nn.MLP(784, 10, width_size=64, depth=1, key=key), name="mlp-64")
    """
    if not callable(init) or _is_module(init):
        raise ModelError(f"init must be a function of a key, got {type(init).__name__}; "
                         "for a module write: lambda key: MyModule(..., key=key)")
    if apply is None:
        return _from_equinox(init, name, watch)
    return Model(name or getattr(apply, "__name__", "model"), init, apply, watch)


def _is_module(value: object) -> bool:
    """Whether a finished equinox module came where its maker should; it can be called, but not with a key."""
    equinox = sys.modules.get("equinox")
    return equinox is not None and isinstance(value, equinox.Module)


def _from_equinox(make: Callable[[Any], Any], name: str, watch: Any) -> Model:
    import equinox as eqx
    import jax

    @cache
    def rest() -> Any:
        # What is not a weight (activation functions, sizes) is the same for every key; it is found while tracing.
        with jax.ensure_compile_time_eval():
            return eqx.filter(make(jax.random.key(0)), eqx.is_inexact_array, inverse=True)

    def init(key: Any) -> Any:
        return eqx.filter(make(key), eqx.is_inexact_array)

    def apply(weights: Any, inputs: Any) -> Any:
        return jax.vmap(eqx.combine(weights, rest()))(inputs)

    seen = None if watch is None else lambda weights: watch(eqx.combine(weights, rest()))
    return Model(name or "module", init, apply, seen)
