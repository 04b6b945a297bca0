"""Metrics in the units of the targets, where a model is trained on scaled ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class InUnits:
    """A metric's function of outputs and targets that are (value - shift) / scale, one pair per output."""

    function: Callable[[Any, Any], Any]
    shift: tuple[float, ...]
    scale: tuple[float, ...]

    def __call__(self, outputs: Any, targets: Any) -> Any:
        return self.function(self._restored(outputs), self._restored(targets))

    def _restored(self, array: Any) -> Any:
        rows = array.reshape(array.shape[0], -1)
        return rows * np.asarray(self.scale, rows.dtype) + np.asarray(self.shift, rows.dtype)
