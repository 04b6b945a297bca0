"""Samplers: which points of the unit cube are tried next, given what was seen. Each asks for a whole batch at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fallline.search.space import Space
from fallline.search.tpe import tpe


class Seen(NamedTuple):
    """A point that was tried: its place in the unit cube [dimensions], the rung that it reached from 0, and its value
    there, larger is better; -inf where it diverged."""

    unit: np.ndarray
    rung: int
    value: float


def ask(sampler: str, space: Space, seen: Sequence[Seen], count: int, seed: int) -> np.ndarray:
    """``count`` points [count, dimensions] in the unit cube, the same for the same arguments.

    "sobol": a scrambled Sobol sequence (Owen 1998), "random": uniform points, "tpe": the Tree-structured Parzen
    Estimator (Bergstra et al. 2011) once there are points to learn from, Sobol points before.
    """
    dimensions = len(space.dimensions)
    if sampler == "random":
        return np.random.default_rng(seed).random((count, dimensions))
    if sampler == "tpe" and len(seen) >= count:
        choices = [len(dimension.choices) for dimension in space.dimensions]
        return tpe(np.stack([setting.unit for setting in seen]), _order(seen), choices, count, seed)
    from scipy.stats import qmc

    doubled = 1 << (count - 1).bit_length()  # Sobol sequences are balanced at powers of two
    return qmc.Sobol(dimensions, scramble=True, seed=seed).random(doubled)[:count]


def _order(seen: Sequence[Seen]) -> np.ndarray:
    """The indices of ``seen`` from the best: what reached a later rung is better than what was left at an earlier."""
    return np.array(sorted(range(len(seen)), key=lambda place: (-seen[place].rung, -seen[place].value)))
