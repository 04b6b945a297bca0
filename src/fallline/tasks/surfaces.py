"""A saddle: descent from a ridge, past a stationary point that is no minimum.

The loss is f(x, y) = x^2 + (y^2 / 2 - 1)^2 = x^2 - y^2 + y^4 / 4 + 1. At (0, 0) it has a saddle, of height 1; along x
it rises from there, along y it falls to the minima at (0, +-sqrt 2), of height 0. As the squared error of the outputs
(x, y^2 / 2) from the targets (0, 1) it is an ordinary task.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fallline.contracts import Split, Splits, Task
from fallline.models.surface import surface

EXAMPLES = 4
"""All equal, so that the loss is f for a batch of any size."""


def _outputs(x: Any, y: Any) -> tuple[Any, Any]:
    return x, y * y / 2


def _one_example(size: str, folder: Path | None) -> Splits:
    """Nothing is held out."""
    return Splits(Split(np.zeros(EXAMPLES, np.float32), np.tile(np.array([0, 1], np.float32), (EXAMPLES, 1))))


SADDLE = Task(
    "saddle",
    surface("saddle", _outputs, x=1.5, y=0.01),
    _one_example,
    "squared_error",
    title="x and y on a surface with a saddle, from beside its ridge",
)
