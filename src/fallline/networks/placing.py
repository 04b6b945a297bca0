"""The positions in the picture of a network: columns from inputs to outputs, ordered for few crossings.

Columns are ordered by sweeps of barycentres (Sugiyama, Tagawa, Toda 1981). An edge over several columns has a position
in each column between, so that it crosses no neuron. All lengths are pixels; y grows downwards.
"""

from __future__ import annotations

from bisect import bisect, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fallline.networks.labels import Edge
from fallline.networks.network import Network

MOST_LABELLED, MOST_COLUMNS = 60, 12
"""With more edges, or columns, nothing is written on the edges."""

NEURON, INPUT = 27, 16
"""Half the height of a neuron and of an input."""

ROW, NOTE, GAP = 22, 18, 20
"""In front of a neuron a row an edge; under it a line of text; between two neurons at least this."""

MARGIN, GATHER, BEND = 6, 36, (76, 132)
"""Around all; from the labels to their neuron; from a column to the next one's labels, at least and at most."""

TALL, WIDE = 820, 960
"""What a picture without labels may take, as far as it can."""

NAMED = 8.5
"""Half the height from which a neuron has room for its name."""

SWEEPS, MOST_COUNTED = 12, 20_000
"""Beyond so many pieces of edges crossings are not counted, and two sweeps have to do."""


@dataclass(frozen=True)
class Box:
    """The middle of a neuron or an input, half its extent, and its column."""

    column: int
    x: float
    y: float
    half_width: float
    half_height: float


@dataclass(frozen=True)
class PlacedColumn:
    """The horizontal extents of a column: of the labels in front of its neurons, and of the neurons."""

    labels: float
    gather: float
    left: float
    right: float


@dataclass(frozen=True)
class Placing:
    """``between`` gives, by (source, target), the positions of a long edge as (column, y); ``rows`` the height of its
    label.

    ``labelled``: there is room for texts on edges; ``named``: for names in neurons.
    """

    width: float
    height: float
    labelled: bool
    named: bool
    boxes: dict[str, Box]
    columns: tuple[PlacedColumn, ...]
    between: dict[tuple[str, str], tuple[tuple[int, float], ...]]
    rows: dict[tuple[str, str], float]


def place(
    network: Network, edges: Sequence[Edge], names: Mapping[str, float], labels: Mapping[tuple[str, str], float]
) -> Placing:
    """The positions; ``names`` and ``labels`` are the widths of the texts."""
    labelled = len(edges) <= MOST_LABELLED and len(network.layers) < MOST_COLUMNS
    column = columns_of(network)
    items = _Items(column, edges, shared=not labelled)
    order = _ordered(items.columns(), items.gaps())
    incoming = {neuron.name: 0 for neuron in network.neurons}
    for edge in edges:
        incoming[edge.target] += 1
    if labelled:
        half_heights = {name: NEURON if name in incoming else INPUT for name in column}
        blocks = {
            name: max(ROW * (incoming[name] / 2) + 4, NEURON + NOTE) if name in incoming else INPUT for name in column
        }
        between, gap, slack = ROW / 2, GAP, 2 * GAP
    else:
        most = max(sum(items.names[i] in column for i in own) for own in order)
        step = min(46.0, max(TALL / most, 1.6))
        half_heights = dict.fromkeys(column, min(14.0, 0.36 * step, 0.5 * WIDE / len(order)))
        blocks = half_heights
        between, gap = min(3.0, step / 8), step - 2 * half_heights[network.inputs[0]]
        slack = max(2 * gap, 46 - step)
    halves = np.array([blocks.get(name, between) for name in items.names])
    y = _levels(order, items.gaps(), halves, gap, slack, np.array([not name for name in items.names]))
    height = float((y + halves).max() - (y - halves).min()) + 2 * MARGIN
    y = y - float((y - halves).min()) + MARGIN
    named = half_heights[network.inputs[0]] >= NAMED
    half_widths = _half_widths(column, names if named else {}, half_heights, labelled)
    columns, width = _across(column, half_widths, labels if labelled else {}, height)
    boxes = {
        name: Box(
            at,
            (columns[at].left + columns[at].right) / 2,
            float(y[items.key[name]]),
            half_widths[name],
            half_heights[name],
        )
        for name, at in column.items()
    }
    chains = {(edge.source, edge.target): chain for edge, chain in zip(edges, items.chains, strict=True)}
    passes = {pair: tuple((items.column[i], float(y[i])) for i in chain[1:-1]) for pair, chain in chains.items()}
    before = {pair: float(y[chain[-2]]) for pair, chain in chains.items()}
    return Placing(width, height, labelled, named, boxes, columns, passes, _rows(before, boxes) if labelled else {})


def columns_of(network: Network) -> dict[str, int]:
    """Inputs in column 0, outputs in the last, every other neuron one after the last that it reads."""
    found = dict.fromkeys(network.inputs, 0)
    for depth, layer in enumerate(network.layers, 1):
        found |= {neuron.name: depth for neuron in layer}
    return found | dict.fromkeys(network.outputs, len(network.layers))


class _Items:
    """Neurons, inputs and the positions of long edges, numbered; ``chains`` lead each edge over them.

    ``shared``: the long edges of a source use the same positions.
    """

    def __init__(self, column: Mapping[str, int], edges: Sequence[Edge], shared: bool):
        self.key: dict[object, int] = {name: i for i, name in enumerate(column)}
        self.column = list(column.values())
        self.names = list(column)
        self.chains = []
        self.pieces: dict[tuple[int, int], None] = {}
        for edge in edges:
            chain = [self.key[edge.source]]
            for at in range(column[edge.source] + 1, column[edge.target]):
                chain.append(self._place((edge.source, "" if shared else edge.target, at), at))
            chain.append(self.key[edge.target])
            self.chains.append(chain)
            self.pieces |= dict.fromkeys(pairwise(chain))

    def _place(self, key: tuple[str, str, int], at: int) -> int:
        if key not in self.key:
            self.key[key] = len(self.column)
            self.column.append(at)
            self.names.append("")
        return self.key[key]

    def columns(self) -> list[np.ndarray]:
        at = np.array(self.column)
        return [np.flatnonzero(at == column) for column in range(at.max() + 1)]

    def gaps(self) -> list[np.ndarray]:
        """By gap between two columns the pieces [pieces, 2] of edges in it."""
        pieces = np.array(list(self.pieces) or np.zeros((0, 2)), dtype=np.int64)
        at = np.array(self.column)[pieces[:, 0]]
        return [pieces[at == column] for column in range(max(self.column))]


def _ordered(columns: list[np.ndarray], gaps: list[np.ndarray]) -> list[np.ndarray]:
    """Each column from top to bottom, with as few crossings as the sweeps find."""
    place = np.zeros(sum(map(len, columns)))
    for own in columns:
        place[own] = _spread(len(own))
    counted = sum(map(len, gaps)) <= MOST_COUNTED
    best, fewest = list(columns), _crossings(gaps, place) if counted else 0
    for sweep in range(SWEEPS if counted else 2):
        if counted and fewest == 0:
            break
        forward = sweep % 2 == 0
        for at in range(1, len(columns)) if forward else range(len(columns) - 2, -1, -1):
            own = columns[at]
            own = own[np.argsort(place[own], kind="stable")]
            pieces = gaps[at - 1] if forward else gaps[at][:, ::-1]
            columns[at] = own = own[np.argsort(_means(pieces, place)[own], kind="stable")]
            place[own] = _spread(len(own))
        crossings = _crossings(gaps, place) if counted else -1
        if crossings < fewest:
            best, fewest = list(columns), crossings
    return best


def _spread(n: int) -> np.ndarray:
    return (np.arange(n) + 0.5) / n


def _means(pieces: np.ndarray, place: np.ndarray) -> np.ndarray:
    """The mean position of the neighbours by ``pieces`` (other, item) of each item; its own where it has none."""
    n = np.bincount(pieces[:, 1], minlength=len(place))
    sums = np.bincount(pieces[:, 1], weights=place[pieces[:, 0]], minlength=len(place))
    return np.where(n > 0, np.round(sums / np.maximum(n, 1), 9), place)


def _crossings(gaps: list[np.ndarray], place: np.ndarray) -> int:
    """How many pairs of pieces of edges cross."""
    total = 0
    for pieces in gaps:
        left, right = place[pieces[:, 0]], place[pieces[:, 1]]
        seen: list[float] = []
        for one in right[np.lexsort((right, left))].tolist():
            total += len(seen) - bisect(seen, one)
            insort(seen, one)
    return total


def _levels(
    order: list[np.ndarray], gaps: list[np.ndarray], halves: np.ndarray, gap: float, slack: float, passing: np.ndarray
) -> np.ndarray:
    """The y of every item: near the mean of its neighbours, in its column's order, without overlap.

    ``gap`` is the least distance between neighbours; in a short column up to ``slack`` more.
    """
    apart = [
        halves[own][:-1] + halves[own][1:] + np.where(passing[own][:-1] & passing[own][1:], 0, gap) for own in order
    ]
    tall = max(one.sum() for one in apart)
    apart = [one + np.clip((0.66 * tall - one.sum()) / max(1, len(one)), 0, slack) for one in apart]
    y = np.zeros(len(halves))
    for own, one in zip(order, apart, strict=True):
        y[own] = np.concatenate([[0], np.cumsum(one)]) - one.sum() / 2
    last = len(order) - 1
    both = [
        np.concatenate([*gaps[max(0, at - 1) : at], *(one[:, ::-1] for one in gaps[at : at + 1])])
        for at in range(last + 1)
    ]
    for sweep in range(8):
        for at in range(last + 1) if sweep % 2 == 0 else range(last, -1, -1):
            y[order[at]] = _settled(_means(both[at], y)[order[at]], apart[at], 1 + 3 * passing[order[at]])
    return y


def _settled(wanted: np.ndarray, apart: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The y nearest to ``wanted`` (least squares) with at least ``apart`` between neighbours: pooled violators."""
    offset = np.concatenate([[0], np.cumsum(apart)])
    blocks: list[list[float]] = []
    for value, w in zip(wanted - offset, weight, strict=True):
        blocks.append([float(value), float(w), 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (a, m, k), (b, n, j) = blocks[-2:]
            blocks[-2:] = [[(a * m + b * n) / (m + n), m + n, k + j]]
    return np.repeat([block[0] for block in blocks], [int(block[2]) for block in blocks]) + offset


def _half_widths(
    column: Mapping[str, int], names: Mapping[str, float], half_heights: Mapping[str, float], labelled: bool
) -> dict[str, float]:
    """Neurons have equal widths, and so have inputs; wide enough for their names where these are shown."""
    found = {}
    for kind in (True, False):
        own = [name for name, at in column.items() if (at == 0) is kind]
        widest = max((names.get(name, 0.0) for name in own), default=0.0)
        if labelled:
            room = min(75.0, widest / 2 + 12)
        else:
            room = min(40.0, widest / 2 + 7) if widest else 0.0
        found |= {name: max(half_heights[name], room) for name in own}
    return found


def _across(
    column: Mapping[str, int], half_widths: Mapping[str, float], labels: Mapping[tuple[str, str], float], height: float
) -> tuple[tuple[PlacedColumn, ...], float]:
    """The columns from left to right, and the width of the whole."""
    count = max(column.values()) + 1
    neurons = max(half for name, half in half_widths.items() if column[name])
    bend = min(BEND[1], max(BEND[0], 0.26 * height))
    if not labels:
        bend = min(2 * BEND[1], max(1.6 * neurons, WIDE / (count - 1) - 2 * neurons))
    half = max((half for name, half in half_widths.items() if not column[name]), default=0.0)
    found = [PlacedColumn(MARGIN, MARGIN, MARGIN, MARGIN + 2 * half)]
    for at in range(1, count):
        widest = max((wide for (_, target), wide in labels.items() if column[target] == at), default=0.0)
        start = found[-1].right + bend
        gather = start + (widest + 6 if labels else 0)
        left = gather + (GATHER if labels else 0)
        found.append(PlacedColumn(start, gather, left, left + 2 * neurons))
    return tuple(found), found[-1].right + MARGIN


def _rows(before: Mapping[tuple[str, str], float], boxes: Mapping[str, Box]) -> dict[tuple[str, str], float]:
    """In front of each neuron one row per edge, in the order of the edges."""
    arriving: dict[str, list[tuple[str, str]]] = {}
    for pair in sorted(before, key=before.__getitem__):
        arriving.setdefault(pair[1], []).append(pair)
    return {
        pair: boxes[target].y + (i - (len(pairs) - 1) / 2) * ROW
        for target, pairs in arriving.items()
        for i, pair in enumerate(pairs)
    }
