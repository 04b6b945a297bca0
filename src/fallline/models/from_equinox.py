"""A Model of an equinox module: called on one example, with noise, state and dropout rate where it has them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from fallline.contracts import Model
from fallline.errors import ModelError
from fallline.models.makers import check_maker
from fallline.models.paths import STATE, arrays_by_path
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
    """A Model of the module that ``make(key)`` returns, called on one example at a time.

    The state of a module (``eqx.nn.BatchNorm``) is separated from it; ``make`` may also return the pair (module, state)
    of ``eqx.nn.make_with_state``. Its statistics are those of the batch. A module whose ``__call__`` takes a ``key``
    gets one per example in training; in an evaluation it is in ``inference_mode`` and gets None (a fixed key where it
    needs one).

    With ``eqx.nn.Dropout`` layers of equal rate, or with a ``dropout_rate``, the recipe has the hyperparameter
    ``dropout_rate``: the rate of all of them. ``watch(module)`` returns scalars by name to record at every step.

    The weights are all floating-point arrays of the module. An array that occurs twice, as in a layer that is used
    twice, is one weight; for two weights with equal initial values make two arrays. Other arrays that depend on the key
    (a permutation of the inputs, a mask) are drawn for each seed and stay constant.
    """
    import equinox as eqx

    check_maker(make, "make")
    name = name or "module"
    module, initial_state, ties = _probe(make, name)
    drawn = drawn_places(lambda key: _fixed(_parted(make(key))[0]), name)
    hyperparameters = hyperparameters_of([layer.p for layer in _layers(module, eqx.nn.Dropout)], dropout_rate, name)
    call = _Call(module, initial_state is not None, name)

    @cache
    def rest() -> Any:
        # Everything but the weights (activations, sizes) is the same for every key; it is determined while tracing.
        import jax

        with jax.ensure_compile_time_eval():
            return eqx.filter(_parted(make(jax.random.key(0)))[0], eqx.is_inexact_array, inverse=True)

    def init(key: Any) -> Any:
        return ties.cut(eqx.filter(_parted(make(key))[0], eqx.is_inexact_array))

    def state(key: Any) -> Any:
        module, initial = _parted(make(key))
        return _drawn(module, drawn) | ({} if initial is None else arrays_of_state(initial))

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

    def by_name(weights: Any, state: Mapping[str, Any]) -> dict[str, Any]:
        moves = {name: value for name, value in state.items() if not str(name).startswith(DRAWN)}
        arrays = arrays_by_path(eqx.filter(whole(weights, state), eqx.is_array))
        return arrays | arrays_by_path(moves, STATE)

    seen = None if watch is None else lambda weights: watch(whole(weights))
    if initial_state is None and not call.noisy and not drawn:
        return Model(name, init, apply, seen, whole=by_name)
    stateful = initial_state is not None or drawn
    return Model(
        name,
        init,
        watch=seen,
        forward=forward,
        state=state if stateful else None,
        hyperparameters=hyperparameters,
        whole=by_name,
    )


class _Call:
    """How a module is called on a batch: with or without state, with or without keys."""

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
        """Outputs [batch, ...] and the state after the pass; ``key`` is None in an evaluation."""
        import jax

        keys = None
        if self.noisy and not (key is None and self.takes_none):
            keys = jax.random.split(jax.random.key(0) if key is None else key, inputs.shape[0])

        def one(x: Any, state: Any, key: Any) -> tuple[Any, Any]:
            noise = {"key": key} if self.noisy else {}
            if not self.stateful:
                return module(x, **noise), state
            output, after = module(x, state_of_arrays(state), **noise)
            return output, arrays_of_state(after)

        return jax.vmap(one, in_axes=(0, None, 0), out_axes=(0, None), axis_name=self.axis)(inputs, state, keys)


def _probe(make: Any, name: str) -> tuple[Any, Any, Ties]:
    """Module and state, as shapes, and which of its weights are the same array; ModelError where the module cannot be
    called on an example.
    """
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
    """The arrays of the module that are not weights."""
    import equinox as eqx

    return eqx.filter(module, lambda leaf: eqx.is_array(leaf) and not eqx.is_inexact_array(leaf))


def _drawn(module: Any, places: tuple[int, ...]) -> dict[str, Any]:
    """Those of them that depend on the key, by their index."""
    import jax

    leaves = jax.tree.leaves(_fixed(module)) if places else []
    return {f"{DRAWN}{place}": leaves[place] for place in places}


def _with_drawn(module: Any, places: tuple[int, ...], state: Mapping[str, Any]) -> Any:
    """The module with the arrays that were drawn for a seed."""
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
    """The module and all modules in it."""
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
    """Whether the module depends on keys. Equinox's layers all take one, and only dropout draws from it."""
    import equinox as eqx

    own = all(type(part).__module__.startswith("equinox.") for part in _modules(module))
    return not own or bool(_layers(module, eqx.nn.Dropout))


def _with_rate(module: Any, hyperparameters: Mapping[str, Any]) -> Any:
    """The module with its dropout layers at the recipe's rate."""
    import equinox as eqx
    import jax

    def is_dropout(node: Any) -> bool:
        return isinstance(node, eqx.nn.Dropout)

    def rated(node: Any) -> Any:
        return eqx.tree_at(lambda layer: layer.p, node, hyperparameters["dropout_rate"]) if is_dropout(node) else node

    return jax.tree.map(rated, module, is_leaf=is_dropout) if "dropout_rate" in hyperparameters else module


def arrays_of_state(state: Any) -> dict[str, Any]:
    """An equinox state as a dictionary of arrays, whose types are the same before and after a pass."""
    import jax
    import jax.numpy as jnp

    values, names = state.tree_flatten()
    strong = jax.tree.map(lambda leaf: jax.lax.convert_element_type(leaf, jnp.result_type(leaf)), values)
    return dict(zip(names, strong, strict=True))


def state_of_arrays(arrays: dict[str, Any]) -> Any:
    import equinox as eqx

    return eqx.nn.State.tree_unflatten(tuple(arrays), tuple(arrays.values()))
