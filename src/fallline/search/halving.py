"""Successive halving (Jamieson and Talwalkar 2016): how many settings each rung has, and which advance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fallline.study.search_table import SearchTable

GROWTH = 4
"""Between rungs that a study does not name the steps grow by this factor."""

SHORTEST = 16
"""No rung that a study does not name is shorter than 1 / SHORTEST of the last one, or than 10 steps."""


class Rung(NamedTuple):
    """``steps`` of training for each of ``settings`` of every optimizer, with ``seeds`` seeds."""

    steps: int
    seeds: int
    settings: int


def rungs_of(table: SearchTable, steps: int) -> tuple[Rung, ...]:
    """The rungs of a bracket; where the study names none, they grow fourfold to its own ``steps``."""
    lengths = list(table.rungs)
    if not lengths:
        lengths = [steps]
        while lengths[0] // GROWTH >= max(10, steps // SHORTEST):
            lengths.insert(0, lengths[0] // GROWTH)
    seeds = list(table.seeds) or [1] * (len(lengths) - 1) + [2]
    seeds = [seeds[min(place, len(seeds) - 1)] for place in range(len(lengths))]
    counts = [table.settings]
    for _ in lengths[1:]:
        counts.append(max(1, round(table.keep * counts[-1])))
    return tuple(map(Rung, lengths, seeds, counts))


def survivors(values: Sequence[float], count: int) -> list[int]:
    """The places of the ``count`` largest values, the best first; of equal ones the first. -inf never advances."""
    order = sorted(range(len(values)), key=lambda place: -values[place])
    return [place for place in order[:count] if values[place] > -np.inf]
