"""A Model of an equinox module: called on one example, with noise, a state and a dropout rate where it has them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from fallline.contracts import Model
from fallline.errors import ModelError
from fallline.models.makers import check_maker
from fallline.models.probe import shapes_of
from fallline.models.rates import hyperparameters_of
from fallline.models.ties import Ties, drawn_places

DRAWN = "drawn "
"""Begins the names, in a model's state, of arrays that are drawn from the key and are no weights."""


def from_equinox(
    make: Callable[[Any], Any],
    *,
    name: str = "",
    dropout_rate: float | None = None,
    watch: Callable[[Any], Mapping[str, Any]] | None = None,
) -> Model:
    """A Model of the module that ``make(key)`` gives, called on one example at a time.

    A module with a state (``eqx.nn.BatchNorm``) is parted from it; ``make`` may also give the pair (module, state) of
    ``eqx.nn.make_with_state``. Its statistics go over the batch. A module whose ``__call__`` takes a ``key`` gets one
    an example in training; evaluated, it is in ``inference_mode`` and gets None (a fixed key where it must have one).

    If it holds ``eqx.nn.Dropout`` layers of one rate, or a ``dropout_rate`` is given, the recipe has the number
    ``dropout_rate``: the rate of all of them. ``watch(module)`` names scalars to record at every step.

    The weights are all its floating arrays. One that stands in two places, as those of a layer used twice do, is one
    weight; for two that begin alike, make two arrays. What else is drawn from the key (an order of the inputs, a mask)
    is drawn for each seed anew and stays as it is.
    """
    import equinox as eqx

    check_maker(make, "make")
    name = name or "module"
    module, begin, ties = _probe(make, name)
    drawn = drawn_places(lambda key: _fixed(_parted(make(key))[0]), name)
    hyperparameters = hyperparameters_of([layer.p for layer in _layers(module, eqx.nn.Dropout)], dropout_rate, name)
    call = _Call(module, begin is not None, name)

    @cache
    def rest() -> Any:
        # What is not a weight (activation functions, sizes) is the same for every key; it is found while tracing.
        import jax

        with jax.ensure_compile_time_eval():
            return eqx.filter(_parted(make(jax.random.key(0)))[0], eqx.is_inexact_array, inverse=True)

    def init(key: Any) -> Any:
        return ties.cut(eqx.filter(_parted(make(key))[0], eqx.is_inexact_array))

    def state(key: Any) -> Any:
        module, begun = _parted(make(key))
        return _drawn(module, drawn) | ({} if begun is None else _arrays(begun))

    def whole(weights: Any, state: Mapping[str, Any] | None = None) -> Any:
        return eqx.combine(ties.joined(weights), _with_drawn(rest(), drawn, state or {}))

    def apply(weights: Any, inputs: Any) -> Any:
        return call(whole(weights), {}, inputs, None)[0]

    def forward(weights: Any, state: Any, inputs: Any, key: Any, hyperparameters: Mapping[str, Any]) -> tuple[Any, Any]:
        module = _with_rate(whole(weights, state), hyperparameters)
        stays = {name: value for name, value in state.items() if str(name).startswith(DRAWN)}
        moves = {name: value for name, value in state.items() if name not in stays}
        if key is None:
            return call(eqx.nn.inference_mode(module), moves, inputs, None)[0], state
        outputs, after = call(module, moves, inputs, key)
        return outputs, stays | after

    seen = None if watch is None else lambda weights: watch(whole(weights))
    if begin is None and not call.noisy and not drawn:
        return Model(name, init, apply, seen)
    stateful = begin is not None or drawn
    return Model(
        name, init, watch=seen, forward=forward, state=state if stateful else None, hyperparameters=hyperparameters
    )


class _Call:
    """How a module of one kind is called on a batch: with a state or not, with keys or not."""

    def __init__(self, module: Any, stateful: bool, name: str):
        import equinox as eqx

        key = inspect.signature(module.__call__).parameters.get("key")
        self.noisy = key is not None and _may_draw(module)
        self.takes_none = key is not None and key.default is None
        self.stateful = stateful
        axes = {layer.axis_name for layer in _layers(module, eqx.nn.BatchNorm)} or {"batch"}
        if len(axes) > 1 or not all(isinstance(axis, str) for axis in axes):
            raise ModelError(
                f"the BatchNorm layers of model {name} must name one axis, the batch; "
                f"got axis_name {', '.join(sorted(map(repr, axes)))}"
            )
        self.axis = axes.pop()

    def __call__(self, module: Any, state: Any, inputs: Any, key: Any) -> tuple[Any, Any]:
        """Outputs [batch, ...] and the state after; ``key`` is None in an evaluation."""
        import jax

        keys = None
        if self.noisy and not (key is None and self.takes_none):
            keys = jax.random.split(jax.random.key(0) if key is None else key, inputs.shape[0])

        def one(x: Any, state: Any, key: Any) -> tuple[Any, Any]:
            noise = {"key": key} if self.noisy else {}
            if not self.stateful:
                return module(x, **noise), state
            output, after = module(x, _state(state), **noise)
            return output, _arrays(after)

        return jax.vmap(one, in_axes=(0, None, 0), out_axes=(0, None), axis_name=self.axis)(inputs, state, keys)


def _probe(make: Any, name: str) -> tuple[Any, Any, Ties]:
    """Module and state, as shapes, and which of its weights are one; ModelError where the module is nothing that can be
    called on an example."""
    import equinox as eqx

    found: list[Ties] = []

    def parted(key: Any) -> tuple[Any, Any]:
        module, state = _parted(make(key))
        found.append(Ties.of(eqx.filter(module, eqx.is_inexact_array)))
        return module, state

    module, state = shapes_of(
        eqx.filter_eval_shape, parted, f"init(key) of model {name}, which should give an equinox module,"
    )
    if not isinstance(module, eqx.Module) or not callable(module):
        raise ModelError(
            f"init(key) of model {name} must give an equinox module that can be called, got "
            f"{type(module).__name__}; for weights of another kind write fallline.from_functions(init, apply), for "
            "Flax fallline.from_flax, for Keras fallline.from_keras"
        )
    return module, state, found[-1]


def _fixed(module: Any) -> Any:
    """Its arrays that are no weights."""
    import equinox as eqx

    return eqx.filter(module, lambda leaf: eqx.is_array(leaf) and not eqx.is_inexact_array(leaf))


def _drawn(module: Any, places: tuple[int, ...]) -> dict[str, Any]:
    """Those of them that hang on the key, by their place."""
    import jax

    leaves = jax.tree.leaves(_fixed(module)) if places else []
    return {f"{DRAWN}{place}": leaves[place] for place in places}


def _with_drawn(module: Any, places: tuple[int, ...], state: Mapping[str, Any]) -> Any:
    """The module with those of a seed in place of its own."""
    import equinox as eqx
    import jax

    if not places or not state:
        return module
    leaves, tree = jax.tree.flatten(_fixed(module))
    own = [state.get(f"{DRAWN}{place}", leaf) for place, leaf in enumerate(leaves)]
    return eqx.combine(jax.tree.unflatten(tree, own), module)


def _parted(made: Any) -> tuple[Any, Any]:
    """(module, state), the state None where the module has none."""
    import equinox as eqx

    if isinstance(made, tuple) and len(made) == 2 and isinstance(made[1], eqx.nn.State):
        return made
    if isinstance(made, eqx.Module) and _layers(made, eqx.nn.StateIndex):
        return eqx.nn.make_with_state(lambda: made)()
    return made, None


def _modules(module: Any) -> Iterator[Any]:
    """The module and all within it."""
    import equinox as eqx
    import jax

    def is_part(node: Any) -> bool:
        return isinstance(node, eqx.Module) and node is not module

    yield module
    for node in jax.tree.leaves(module, is_leaf=is_part):
        if is_part(node):
            yield from _modules(node)


def _layers(module: Any, kind: type) -> list[Any]:
    return [part for part in _modules(module) if isinstance(part, kind)]


def _may_draw(module: Any) -> bool:
    """Whether keys matter to it. Equinox's own layers all take one, and only dropout draws from it."""
    import equinox as eqx

    own = all(type(part).__module__.startswith("equinox.") for part in _modules(module))
    return not own or bool(_layers(module, eqx.nn.Dropout))


def _with_rate(module: Any, hyperparameters: Mapping[str, Any]) -> Any:
    """The module, its dropout layers at the recipe's rate."""
    import equinox as eqx
    import jax

    def is_dropout(node: Any) -> bool:
        return isinstance(node, eqx.nn.Dropout)

    def rated(node: Any) -> Any:
        return eqx.tree_at(lambda layer: layer.p, node, hyperparameters["dropout_rate"]) if is_dropout(node) else node

    return jax.tree.map(rated, module, is_leaf=is_dropout) if "dropout_rate" in hyperparameters else module


def _arrays(state: Any) -> dict[str, Any]:
    """An equinox state as a dictionary of arrays, whose types are the same before and after a pass."""
    import jax
    import jax.numpy as jnp

    values, names = state.tree_flatten()
    strong = jax.tree.map(lambda leaf: jax.lax.convert_element_type(leaf, jnp.result_type(leaf)), values)
    return dict(zip(names, strong, strict=True))


def _state(arrays: dict[str, Any]) -> Any:
    import equinox as eqx

    return eqx.nn.State.tree_unflatten(tuple(arrays), tuple(arrays.values()))
