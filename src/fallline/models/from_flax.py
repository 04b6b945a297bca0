"""A Model of a Flax NNX module: called on a batch, its variables separated into weights, state and noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from fallline.contracts import Model
from fallline.errors import ModelError
from fallline.models.packages import need_flax
from fallline.models.probe import shapes_of
from fallline.models.rates import LaneRate, hyperparameters_of


def from_flax(
    make: Callable[[Any], Any],
    *,
    name: str = "",
    dropout_rate: float | None = None,
    watch: Callable[[Any], Mapping[str, Any]] | None = None,
) -> Model:
    """A Model of the ``nnx.Module`` that ``make(rngs)`` returns, called on a batch [batch, ...].

    The weights are its ``nnx.Param``, the state all other variables but those of its random streams, which are reset
    from the step's key. Both are dictionaries by path, "layers.0.kernel". The module is in ``train()`` mode in training
    and in ``eval()`` mode in an evaluation, which leaves its state unchanged.

    With ``nnx.Dropout`` layers of equal rate, or with a ``dropout_rate``, the recipe has the hyperparameter
    ``dropout_rate``: the rate of all of them. Needs ``pip install 'fallline[flax]'``.
    """
    nnx = need_flax()
    name = name or "module"
    module = _probe(nnx, make, name)
    rates = [layer.rate for layer in _dropouts(nnx, module)]
    plan = _part(nnx, module)

    def init(key: Any) -> dict[str, Any]:
        return _values(nnx, _part(nnx, make(nnx.Rngs(key))).weights)

    def state(key: Any) -> dict[str, Any]:
        return _values(nnx, _part(nnx, make(nnx.Rngs(key))).state)

    def forward(weights: Any, state: Any, inputs: Any, key: Any, hyperparameters: Mapping[str, Any]) -> tuple[Any, Any]:
        noise = _seeds(nnx, plan, key)
        module = nnx.merge(
            plan.graph,
            *(
                _filled(nnx, variables, values)
                for variables, values in ((plan.weights, weights), (plan.noise, noise), (plan.state, state))
            ),
        )
        if key is None:
            module.eval()
            return module(inputs), state
        module.train()
        if "dropout_rate" in hyperparameters:
            for layer in _dropouts(nnx, module):
                layer.rate = LaneRate(lambda: hyperparameters["dropout_rate"])
        outputs = module(inputs)
        after = _values(nnx, _part(nnx, module).state)
        return outputs, {name: after[name] for name in state}

    return Model(
        name,
        init,
        watch=watch,
        forward=forward,
        state=state if plan.state else None,
        hyperparameters=hyperparameters_of(rates, dropout_rate, name),
    )


class _Parts(NamedTuple):
    """A module's graph and its variables by path."""

    graph: Any
    weights: dict[tuple, Any]
    noise: dict[tuple, Any]
    state: dict[tuple, Any]


def _part(nnx: Any, module: Any) -> _Parts:
    graph, *parts = nnx.split(module, nnx.Param, nnx.RngState, ...)
    return _Parts(graph, *(dict(nnx.to_flat_state(part)) for part in parts))


def variables_by_path(module: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The variables of the weights and of the state, by path, as trained arrays are named."""
    parts = _part(need_flax(), module)
    weights, state = ({_name(path): held for path, held in found.items()} for found in (parts.weights, parts.state))
    return weights, state


def _probe(nnx: Any, make: Any, name: str) -> Any:
    """The module, its arrays as shapes; ModelError for anything else."""
    module = shapes_of(nnx.eval_shape, lambda key: make(nnx.Rngs(key)), f"make(rngs) of model {name}")
    if not isinstance(module, nnx.Module):
        raise ModelError(f"make(rngs) of model {name} must give a flax.nnx.Module, got {type(module).__name__}")
    return module


def _dropouts(nnx: Any, module: Any) -> list[Any]:
    return [node for _, node in nnx.iter_modules(module) if isinstance(node, nnx.Dropout)]


def _name(path: tuple) -> str:
    return ".".join(map(str, path))


def _values(nnx: Any, variables: dict[tuple, Any]) -> dict[str, Any]:
    """The arrays of ``variables``, by name."""
    return {_name(path): held[...] if isinstance(held, nnx.Variable) else held for path, held in variables.items()}


def _filled(nnx: Any, variables: dict[tuple, Any], values: Mapping[str, Any]) -> Any:
    """An nnx state of the kinds of ``variables`` that holds ``values``."""

    def fill(path: tuple, held: Any) -> Any:
        value = values[_name(path)]
        return held.replace(value) if isinstance(held, nnx.Variable) else value

    return nnx.from_flat_state([(path, fill(path, held)) for path, held in variables.items()])


def _seeds(nnx: Any, plan: _Parts, key: Any) -> dict[str, Any]:
    """The random streams in their initial state, each from ``key``; an evaluation does not draw from them."""
    import jax
    import jax.numpy as jnp

    seeds: dict[str, Any] = {}
    for place, (path, held) in enumerate(plan.noise.items()):
        if isinstance(held, nnx.RngKey):
            own = jax.random.fold_in(jax.random.key(0) if key is None else key, place)
            seeds[_name(path)] = own if held.shape == () else jax.random.split(own, held.shape)
        else:
            seeds[_name(path)] = jnp.zeros(held.shape, held.dtype)
    return seeds
