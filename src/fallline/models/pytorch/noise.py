"""The noise of a pass: a stream of its own for each place in the graph, and the rate of dropout of this lane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax


@dataclass(frozen=True)
class Noise:
    """``key`` is that of the step and of a place in the graph, None where nothing is drawn; ``rate`` is the lane's rate
    of dropout, None where each layer keeps its own."""

    key: Any
    rate: Any = None

    def at(self, place: int) -> Noise:
        """The noise of the operator that has that place in the graph."""
        return self if self.key is None else Noise(jax.random.fold_in(self.key, place), self.rate)

    def dropout_rate(self, own: float) -> Any:
        """The rate of a layer whose own is ``own``: a layer that drops nothing stays as it is."""
        return own if self.rate is None or own == 0 else self.rate
