"""Lines of equal height: exact ellipses of a quadratic, marching squares on a grid, and which heights to draw."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np

Edge = tuple[int, int, int]
"""Of the grid point (row, column) the edge to its right (0) or the one above it (1)."""


def level_lines(xs: np.ndarray, ys: np.ndarray, values: np.ndarray, level: float) -> list[np.ndarray]:
    """Where ``values`` [ys, xs] cross ``level``: lines of points [n, 2], straight within each cell.

    A line that closes ends where it began. Cells with a corner that is not finite have none. Marching squares (Lorensen
    and Cline, 1987, in two dimensions); where a cell's corners alternate, the mean of the four says which are joined.
    """
    joined: dict[Edge, list[Edge]] = defaultdict(list)
    corners = np.stack([values[:-1, :-1], values[:-1, 1:], values[1:, 1:], values[1:, :-1]])
    above, finite = corners > level, np.isfinite(corners).all(axis=0)
    for i, j in np.argwhere(finite & (above.any(axis=0) != above.all(axis=0))):
        middle = corners[:, i, j].mean() > level
        for one, other in _segments(int(i), int(j), above[:, i, j], middle):
            joined[one].append(other)
            joined[other].append(one)
    return [np.array([_crossing(edge, xs, ys, values, level) for edge in line]) for line in _walks(joined)]


def _segments(i: int, j: int, above: np.ndarray, middle: bool) -> list[tuple[Edge, Edge]]:
    """The pairs of edges that a line joins within a cell. Corners and edges go round from the lower left."""
    edges = [(i, j, 0), (i, j + 1, 1), (i + 1, j, 0), (i, j, 1)]
    crossed = [edges[k] for k in range(4) if above[k] != above[(k + 1) % 4]]
    if len(crossed) == 2:
        return [(crossed[0], crossed[1])]
    if middle == above[0]:  # the lower left is of one piece with the middle, so lines cut off the two corners beside it
        return [(edges[0], edges[1]), (edges[2], edges[3])]
    return [(edges[3], edges[0]), (edges[1], edges[2])]


def _walks(joined: dict[Edge, list[Edge]]) -> list[list[Edge]]:
    """The edges in the order of the lines; those that end at the border first, what is left closes."""
    lines, left = [], dict.fromkeys(joined)
    for start in sorted(joined, key=lambda edge: len(joined[edge])):
        if start not in left:
            continue
        line = [start]
        left.pop(start)
        while following := [edge for edge in joined[line[-1]] if edge in left]:
            line.append(following[0])
            left.pop(following[0])
        closes = len(line) > 2 and start in joined[line[-1]]
        lines.append([*line, start] if closes else line)
    return lines


def _crossing(edge: Edge, xs: np.ndarray, ys: np.ndarray, values: np.ndarray, level: float) -> tuple[float, float]:
    """The point of an edge where the straight line between its ends has the level."""
    i, j, upward = edge
    k, m = (i + 1, j) if upward else (i, j + 1)
    share = (level - values[i, j]) / (values[k, m] - values[i, j])
    return float(xs[j] + share * (xs[m] - xs[j])), float(ys[i] + share * (ys[k] - ys[i]))


def lowest_point(xs: np.ndarray, ys: np.ndarray, values: np.ndarray) -> tuple[float, float, float] | None:
    """x, y and value of the lowest point, between the points of the grid by parabolas; None where it is at the border.

    The border's lowest point is no minimum: the values may fall on beyond it.
    """
    i, j = np.unravel_index(np.argmin(np.where(np.isfinite(values), values, np.inf)), values.shape)
    if not (0 < i < len(ys) - 1 and 0 < j < len(xs) - 1) or not np.isfinite(values[i - 1 : i + 2, j - 1 : j + 2]).all():
        return None
    x_shift, x_fall = _parabola(values[i, j - 1 : j + 2])
    y_shift, y_fall = _parabola(values[i - 1 : i + 2, j])
    x, y = xs[j] + x_shift * (xs[1] - xs[0]), ys[i] + y_shift * (ys[1] - ys[0])
    return float(x), float(y), float(values[i, j] - x_fall - y_fall)


def _parabola(three: np.ndarray) -> tuple[float, float]:
    """Where, in steps from the middle, a parabola through three values is lowest, and how far below the middle one."""
    left, middle, right = three
    bend = left - 2 * middle + right
    shift = 0.5 * (left - right) / bend if bend > 0 else 0.0
    return shift, 0.5 * bend * shift**2


def heights(values: np.ndarray, lines: int = 14) -> tuple[list[float], str]:
    """About so many heights within the lower nine tenths of the values, some beyond; in words how they follow.

    Evenly spaced at a round distance; where most values lie far below the highest, each √10 times the next.
    """
    known = values[np.isfinite(values)]
    low, high = float(known.min()), float(known.max())
    if low > 0 and np.median(known) < 0.05 * high:
        powers = range(math.floor(2 * math.log10(low)), math.ceil(2 * math.log10(high)) + 1)
        levels = [10 ** (power / 2) for power in powers if low < 10 ** (power / 2) < high]
        return levels[-lines:], "each √10 times the next"
    if not high > low:
        return [], ""
    wanted = (float(np.quantile(known, 0.9)) - low) / lines or (high - low) / lines
    power = 10.0 ** math.floor(math.log10(wanted))
    distance = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= 0.999 * wanted)
    first, last = math.floor(low / distance) + 1, math.ceil(high / distance)
    return [distance * place for place in range(first, min(last, first + 2 * lines))], f"{distance:g} apart"


def ellipse(center: np.ndarray, root: np.ndarray, rise: float) -> np.ndarray:
    """The points [n, 2] where (p - c)^T H (p - c) is ``rise``, for ``root`` = H^(-1/2): c + sqrt(rise) root u."""
    angle = np.linspace(0, 2 * np.pi, 481)
    return (center[:, None] + np.sqrt(rise) * (root @ np.stack([np.cos(angle), np.sin(angle)]))).T
