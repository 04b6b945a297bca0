"""The line fit: y = W x + b through four points, from W = 0.3, b = -0.3."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fallline.contracts import Split, Splits, Task
from fallline.models.line import line


def four_points(size: str, folder: Path | None) -> Splits:
    """x = 1, 2, 3, 4 and y = 0, -1, -2, -3; nothing is held out."""
    return Splits(Split(np.array([1, 2, 3, 4], np.float32), np.array([0, -1, -2, -3], np.float32)))


LINE = Task("line", line(), four_points, "sum_of_squares", title="y = W x + b through four points")
