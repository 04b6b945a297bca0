"""The model: how weights are initialised, how outputs follow from a batch, and what else a pass needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fallline.contracts.hyperparameters import Hyperparameter


@dataclass(frozen=True)
class Model:
    """``init(key)`` returns the initial weights (a pytree of float arrays), ``apply(weights, inputs)`` the outputs of a
    batch.

    A model with hyperparameters (a dropout rate), noise or a state that passes change (the statistics of batch
    normalisation) has ``forward(weights, state, inputs, key, hyperparameters)`` in place of ``apply``: it returns the
    outputs and the state after the pass. ``key`` is the random key of this step, or None in an evaluation: then there
    is no noise and the state stays as it is. ``state(key)`` returns the initial state.

    ``watch(weights)`` returns scalars by name to record at every step (the line fit watches W and b). ``traceable`` is
    False where ``init`` and ``state`` must run on the host, outside of any traced function. ``looped`` is False for
    models whose operations run on one thread inside a loop on the CPU, as convolutions do; None: the engine finds out.
    ``text`` defines the model where it is a network of neurons; it is kept with the records. ``whole(weights, state)``
    returns all arrays of the model by the names of its framework, with those that are not trained; None: the weights
    and the state by their paths.
    """

    name: str
    init: Callable[[Any], Any]
    apply: Callable[[Any, Any], Any] | None = None
    watch: Callable[[Any], Mapping[str, Any]] | None = None
    forward: Callable[..., tuple[Any, Any]] | None = None
    state: Callable[[Any], Any] | None = None
    hyperparameters: tuple[Hyperparameter, ...] = ()
    traceable: bool = True
    looped: bool | None = None
    text: str = ""
    whole: Callable[[Any, Any], Mapping[str, Any]] | None = None

    def start_state(self, key: Any) -> Any:
        """The state before the first step; empty for a model without state."""
        return {} if self.state is None else self.state(key)

    def run(
        self, weights: Any, state: Any, inputs: Any, key: Any, hyperparameters: Mapping[str, Any]
    ) -> tuple[Any, Any]:
        """Outputs and state after a pass, for a model of either form."""
        if self.forward is not None:
            return self.forward(weights, state, inputs, key, hyperparameters)
        assert self.apply is not None, "a model has apply or forward"
        return self.apply(weights, inputs), state
