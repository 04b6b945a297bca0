"""The lines in the picture of a network: curves that meet in front of a neuron, or straight pieces where there are
many.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fallline.networks.labels import Edge
from fallline.networks.placing import Placing

POINTS = 20
"""Points of a curve."""

WIDEST_ANGLE, STEP_ANGLE = 50.0, 17.0
"""Degrees above and below the middle within which lines leave and reach a neuron, and between two of them."""

Pair = tuple[str, str]


def routes(placing: Placing, edges: Sequence[Edge]) -> dict[Pair, np.ndarray]:
    """The points [points, 2] of each edge, from its source to its target; x never falls."""
    pairs = [(edge.source, edge.target) for edge in edges]
    if not placing.labelled:
        return {pair: _straight(placing, pair) for pair in pairs}
    leaves = _ports(placing, pairs, own=0)
    arrives = _ports(placing, pairs, own=1)
    return {pair: _curved(placing, pair, leaves[pair], arrives[pair]) for pair in pairs}


def _straight(placing: Placing, pair: Pair) -> np.ndarray:
    """From the right side of the source to the left side of the target; horizontal past the neurons of a column
    between.
    """
    source, target = placing.boxes[pair[0]], placing.boxes[pair[1]]
    points = [(source.x + source.half_width, source.y)]
    for at, y in placing.between[pair]:
        points += [(placing.columns[at].left, y), (placing.columns[at].right, y)]
    return np.array([*points, (target.x - target.half_width, target.y)])


def _curved(placing: Placing, pair: Pair, leave: tuple[float, float], arrive: tuple[float, float]) -> np.ndarray:
    """Bend, pass, bend, along the label, and into the neuron."""
    found, here = [np.array([leave])], leave
    for at, y in placing.between[pair]:
        column = placing.columns[at]
        found += [_bend(here, (column.labels, y)), np.array([(column.right, y)])]
        here = (column.right, y)
    column = placing.columns[placing.boxes[pair[1]].column]
    y = placing.rows[pair]
    found += [_bend(here, (column.labels, y)), np.array([(column.gather, y)]), _bend((column.gather, y), arrive)]
    return np.concatenate(found)


def _bend(start: tuple[float, float], stop: tuple[float, float]) -> np.ndarray:
    """A cubic from start (left out) to stop, level at both ends."""
    t = np.linspace(0, 1, POINTS + 1)[1:, None]
    middle = (start[0] + stop[0]) / 2
    a, b, c, d = (np.array(point) for point in (start, (middle, start[1]), (middle, stop[1]), stop))
    return (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d


def _ports(placing: Placing, pairs: Sequence[Pair], own: int) -> dict[Pair, tuple[float, float]]:
    """Where each edge leaves its source (``own`` 0) or reaches its target (1): on its rounded end, in order."""

    def other_end(pair: Pair) -> float:
        return placing.between[pair][0][1] if own == 0 and placing.between[pair] else placing.rows[pair]

    groups: dict[str, list[Pair]] = {}
    for pair in sorted(pairs, key=other_end):
        groups.setdefault(pair[own], []).append(pair)
    found = {}
    for name, group in groups.items():
        box, side = placing.boxes[name], 1 if own == 0 else -1
        widest = min(WIDEST_ANGLE, STEP_ANGLE * (len(group) - 1) / 2)
        for pair, angle in zip(group, np.radians(np.linspace(-widest, widest, len(group))), strict=True):
            angle = 0.0 if len(group) == 1 else angle
            end = box.x + side * (box.half_width - box.half_height)
            found[pair] = (
                float(end + side * box.half_height * np.cos(angle)),
                float(box.y + box.half_height * np.sin(angle)),
            )
    return found
