"""A Model of a PyTorch module: exported in training and in evaluation, and computed by JAX operator for operator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fallline.contracts import Model
from fallline.errors import ModelError
from fallline.models.packages import need_torch
from fallline.models.rates import hyperparameters_of


def from_torch(
    make: Callable[[], Any],
    example: Any = None,
    *,
    name: str = "",
    dropout_rate: float | None = None,
    watch: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None,
) -> Model:
    """A Model of the ``torch.nn.Module`` that ``make()`` gives, called on a batch [batch, ...].

    Its outputs, gradients and running statistics are PyTorch's to rounding, which is checked on a batch when it is
    first used: on ``example`` (a NumPy array or a tensor), else on random inputs of the shape of the task's.

    ``make`` runs on the host for every seed, after ``torch.manual_seed``, so that each seed begins with the module's
    own initialisation; torch's generator is put back. The weights are its trainable parameters by name, "fc.weight";
    one that two names share is one. The state are the buffers that a pass changes (running statistics). Parameters that
    do not require a gradient and buffers that nothing changes stay as they were made.

    If all its dropout layers have one rate, or a ``dropout_rate`` is given, the recipe has the hyperparameter
    ``dropout_rate``: the rate of every dropout whose own is above 0. ``watch(weights)`` names scalars to record at
    every step. Needs ``pip install 'fallline[torch]'``.

    ModelError, with the line of ``forward``, where the module branches on values, leaves PyTorch, returns several
    tensors or uses an operator that is not known here.
    """
    torch = need_torch()
    if isinstance(make, torch.nn.Module) or not callable(make):
        raise ModelError(
            f"from_torch takes a function that makes a new module, got {type(make).__name__}; each seed begins with "
            "weights of its own: write fallline.from_torch(lambda: MyModule(...))"
        )
    from fallline.models.pytorch.module import TorchModule

    converted = TorchModule(make, example, name or getattr(make, "__name__", "module").replace("<lambda>", "module"))
    rates = converted.dropout_rates()
    hyperparameters = hyperparameters_of(rates, dropout_rate, converted.name)
    return Model(
        converted.name,
        converted.init,
        watch=watch,
        forward=converted.forward,
        state=converted.state,
        hyperparameters=hyperparameters,
        traceable=False,
        whole=converted.state_dict,
    )
