"""Trained arrays back into a module of the framework that they came from."""
# pyright: reportMissingImports=false
# The frameworks are extras: where types are checked they may be missing.

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from fallline.errors import ModelError
from fallline.models.paths import STATE, check_fit, with_arrays


def load_arrays_into(module: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """``module`` with the trained ``arrays``, named as ``fallline.open_run(...).weights`` names them.

    A ``torch.nn.Module``, ``flax.nnx.Module`` or ``keras.Model`` is changed in place and returned; of an equinox module
    a new one is returned, with its state as a pair where it has one. ModelError where names or shapes do not fit.
    """
    for framework, kind, load in (
        ("torch", "nn.Module", _torch),
        ("keras", "Model", _keras),
        ("flax.nnx", "Module", _flax),
        ("equinox", "Module", _equinox),
    ):
        if framework in sys.modules and _is_a(module, sys.modules[framework], kind):
            return load(module, arrays)
    raise ModelError(
        f"trained weights can be loaded into a torch.nn.Module, flax.nnx.Module, keras.Model or equinox.Module, got "
        f"{type(module).__name__}; as arrays they are result.weights(trial)"
    )


def _is_a(module: Any, package: Any, kind: str) -> bool:
    for name in kind.split("."):
        package = getattr(package, name)
    parts = module if isinstance(module, tuple) else (module,)  # of equinox: (module, state)
    return isinstance(parts[0], package)


def _torch(module: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    import torch

    check_fit({name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}, arrays, module)
    module.load_state_dict({name: torch.from_numpy(np.array(values)) for name, values in arrays.items()})
    return module


def _keras(module: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    from fallline.models.from_keras import kept_variables

    weights, state = _parted(arrays)
    for variables, own in ((module.trainable_variables, weights), (kept_variables(module), state)):
        in_order = {str(place): own[name] for place, name in enumerate(sorted(own))}
        check_fit({str(place): tuple(held.shape) for place, held in enumerate(variables)}, in_order, module)
        for variable, values in zip(variables, in_order.values(), strict=True):
            variable.assign(values)
    return module


def _flax(module: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    from fallline.models.from_flax import variables_by_path

    for variables, own in zip(variables_by_path(module), _parted(arrays), strict=True):
        check_fit({name: tuple(held.shape) for name, held in variables.items()}, own, module)
        for name, variable in variables.items():
            variable[...] = own[name]
    return module


def _equinox(module: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    import equinox as eqx

    from fallline.models.from_equinox import arrays_of_state, state_of_arrays

    module, state = module if isinstance(module, tuple) else (module, None)
    weights, held = _parted(arrays)
    own, rest = eqx.partition(module, eqx.is_inexact_array)
    constant = {name: values for name, values in weights.items() if not np.issubdtype(values.dtype, np.floating)}
    trained = with_arrays(own, {name: weights[name] for name in weights.keys() - constant.keys()}, module)
    if constant:
        integers, rest = eqx.partition(rest, eqx.is_array)
        rest = eqx.combine(with_arrays(integers, constant, module), rest)
    whole = eqx.combine(trained, rest)
    return whole if state is None else (whole, state_of_arrays(with_arrays(arrays_of_state(state), held, module)))


def _parted(arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The weights and the state, each by the names they have in the module."""
    state = {name.removeprefix(STATE): values for name, values in arrays.items() if name.startswith(STATE)}
    return {name: values for name, values in arrays.items() if not name.startswith(STATE)}, state
