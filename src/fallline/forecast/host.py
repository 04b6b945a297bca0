"""What the host costs beside what programs compute: from tiny trainings with few arrays and with many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fallline.forecast.tiny import Seconds, Tiny

SIZES = ((1, 1, 1, 4, 2), (1, 1, 6, 4, 2), (8, 1, 1, 4, 2), (8, 1, 6, 4, 2))
"""The tiny trainings that are timed: segments, lanes of each, metrics, batch, steps a dispatch."""

DISPATCHES = 50


@dataclass(frozen=True)
class Host:
    """Seconds: ``call`` is any call of a compiled program, ``array`` one that it is given or gives, ``fetch`` a result
    that is brought to the host; ``look`` is what an evaluation of a split costs besides. A program's first call costs
    ``first`` and ``first_array`` more.
    """

    call: float
    array: float
    fetch: float
    look: float
    first: float
    first_array: float

    def seconds(self, arrays: int, fetched: int) -> float:
        """A call with so many arrays given and given back, of which so many are fetched."""
        return self.call + self.array * arrays + self.fetch * fetched

    def first_seconds(self, arrays: int) -> float:
        """What the first call of such a program costs beyond the others."""
        return self.first + self.first_array * arrays


def fit_host(tiny: Sequence[Tiny], found: Sequence[Seconds]) -> Host:
    """The host's figures from what was ``found`` of trainings of ``SIZES``, alone or side by side."""
    calls = [[1.0, one.arrays, one.fetched] for one in tiny]
    call, array, fetch = _least_squares(calls, [own.chunk for own in found])
    look = np.mean([own.look - call - array * one.look_arrays - fetch * one.look_fetched
                    for one, own in zip(tiny, found, strict=True)])
    first = _least_squares([row[:2] for row in calls], [max(0.0, own.first - own.chunk) for own in found])
    return Host(call, array, fetch, max(0.0, float(look)), *first)


def _least_squares(rows: list[list[float]], seconds: list[float]) -> list[float]:
    """The figures, none below zero, that come nearest to ``seconds`` relative to them."""
    from scipy.optimize import nnls

    scale = np.maximum(np.array(seconds), 1e-6)
    found: list[float] = nnls(np.array(rows) / scale[:, None], np.array(seconds) / scale)[0].tolist()
    return found
