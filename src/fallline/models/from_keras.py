"""A Model of a Keras 3 model on JAX: a stateless call, its variables separated into weights and state."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from fallline.contracts import Model
from fallline.errors import ModelError
from fallline.models.packages import need_keras
from fallline.models.rates import LaneRate, hyperparameters_of

SEED = "seed_generator_state"
"""What Keras names the variable of a layer that draws noise."""


def from_keras(
    make: Callable[[], Any],
    *,
    name: str = "",
    dropout_rate: float | None = None,
    watch: Callable[[Any], Mapping[str, Any]] | None = None,
) -> Model:
    """A Model of the built ``keras.Model`` that ``make()`` returns, called on a batch [batch, ...].

    The weights are its trainable variables, the state the others but the seeds of noise, which follow from the step's
    key. Both are dictionaries by index and name, "00.kernel", since Keras numbers the names of layers across models.
    ``make`` runs on the host, for every seed, after ``keras.utils.set_random_seed``; the random generators of Python
    and numpy are restored.

    With a ``dropout_rate`` the recipe has the hyperparameter ``dropout_rate`` with that default: the rate of all
    ``keras.layers.Dropout`` whose rate is not 0. Without one they keep their rates, since the model is first built when
    it runs. Losses that layers add (regularizers) are refused: they are hyperparameters of the recipe. Needs ``pip
    install 'fallline[keras]'`` and KERAS_BACKEND=jax.
    """
    keras = need_keras()
    name = name or "keras"
    hyperparameters = () if dropout_rate is None else hyperparameters_of([dropout_rate], dropout_rate, name)
    rate = threading.local()  # programs may be traced in parallel

    @cache
    def skeleton() -> Any:
        import jax

        with jax.ensure_compile_time_eval():
            model = _made(keras, make, 0, name)
        if hyperparameters:
            _let_rate_vary(keras, model, rate, name)
        return model

    def begun(key: Any) -> Any:
        import jax

        first, model = skeleton(), _made(keras, make, int(jax.random.bits(key)), name)
        if model is first:
            raise ModelError(
                f"make() of model {name} gives the same model again; it must make a new one each time, "
                "since each seed has its own initial weights"
            )
        return model

    def init(key: Any) -> dict[str, Any]:
        return _values(begun(key).trainable_variables)

    def state(key: Any) -> dict[str, Any]:
        return _values(kept_variables(begun(key)))

    def forward(weights: Any, state: Any, inputs: Any, key: Any, hyperparameters: Mapping[str, Any]) -> tuple[Any, Any]:
        model = skeleton()
        others = _others(model, state, key)
        rate.now = hyperparameters.get("dropout_rate")
        try:
            outputs, after = model.stateless_call(_in_order(weights), others, inputs, training=key is not None)
        finally:
            del rate.now
        if key is None:
            return outputs, state
        kept = [
            value for variable, value in zip(model.non_trainable_variables, after, strict=True) if variable.name != SEED
        ]
        return outputs, dict(zip(sorted(state), kept, strict=True))

    return Model(
        name, init, watch=watch, forward=forward, state=state, hyperparameters=hyperparameters, traceable=False
    )


def _made(keras: Any, make: Any, seed: int, name: str) -> Any:
    """The model of that seed; ModelError where it cannot be trained here."""
    with _generators_put_back():
        keras.utils.set_random_seed(seed)
        model = make()
    if not isinstance(model, keras.Model):
        raise ModelError(f"make() of model {name} must give a keras.Model, got {type(model).__name__}")
    if not model.built:
        raise ModelError(
            f"model {name} has no weights yet: start it with keras.Input(shape), or call "
            "model.build((None, ...)) in make()"
        )
    if model.losses:
        raise ModelError(
            f"the layers of model {name} add losses of their own (regularizers), which would be left out; "
            "take them out of the model and use the recipe's l1_penalty and l2_penalty"
        )
    return model


@contextmanager
def _generators_put_back() -> Iterator[None]:
    """Restores the global random generators of Python and numpy, which Keras seeds."""
    python, legacy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)


def _let_rate_vary(keras: Any, model: Any, rate: threading.local, name: str) -> None:
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.Dropout) and layer.rate > 0]
    if not layers:
        raise ModelError(f"model {name} has no keras.layers.Dropout of a rate above 0 for dropout_rate to replace")
    for layer in layers:
        layer.rate = LaneRate(lambda: rate.now)


def kept_variables(model: Any) -> list[Any]:
    """The variables that a pass changes and that are not seeds of noise."""
    return [variable for variable in model.non_trainable_variables if variable.name != SEED]


def _values(variables: Sequence[Any]) -> dict[str, Any]:
    import jax.numpy as jnp

    digits = max(len(str(len(variables))), 2)  # so that the order of the names is that of the variables
    return {f"{place:0{digits}d}.{each.name}": jnp.array(each.value) for place, each in enumerate(variables)}


def _in_order(values: Mapping[str, Any]) -> list[Any]:
    return [values[name] for name in sorted(values)]


def _others(model: Any, state: Mapping[str, Any], key: Any) -> list[Any]:
    """All variables that are not trained, in the model's order: the state, and seeds from ``key``."""
    import jax

    kept = iter(_in_order(state))
    noise = jax.random.key(0) if key is None else key
    return [
        jax.random.bits(jax.random.fold_in(noise, place), variable.shape, "uint32")
        if variable.name == SEED
        else next(kept)
        for place, variable in enumerate(model.non_trainable_variables)
    ]
