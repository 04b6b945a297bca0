"""The model: how weights begin, what they make of a batch, and what else a pass through them needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fallline.contracts.hyperparameters import Hyperparameter


@dataclass(frozen=True)
class Model:
    """``init(key)`` gives the weights (a pytree of float arrays), ``apply(weights, inputs)`` the outputs of a batch.

    A model with numbers (a dropout rate), noise or a state that changes by running (the statistics of batch
    normalisation) gives ``forward(weights, state, inputs, key, numbers)`` in place of ``apply``: it returns the outputs
    and the state after the pass. ``key`` is the noise of this step, or None where the model is evaluated: then it adds
    no noise and leaves the state as it is. ``state(key)`` gives the state at the start.

    ``watch(weights)`` may name scalars to record at every step (the line fit watches W and b). ``traceable`` is False
    where ``init`` and ``state`` must run on the host, outside of any traced function. ``looped`` is False for models
    whose operations lose their threads inside a loop on the CPU, as convolutions do; None: the engine finds out.
    ``text`` makes the model again where it has one, as a network of neurons has; it is kept with the records.
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

    def start_state(self, key: Any) -> Any:
        """The state before the first step; of a model that has none, the empty one."""
        return {} if self.state is None else self.state(key)

    def run(
        self, weights: Any, state: Any, inputs: Any, key: Any, hyperparameters: Mapping[str, Any]
    ) -> tuple[Any, Any]:
        """Outputs and state of a pass, whichever of the two forms the model has."""
        if self.forward is not None:
            return self.forward(weights, state, inputs, key, hyperparameters)
        assert self.apply is not None, "a model has apply or forward"
        return self.apply(weights, inputs), state
