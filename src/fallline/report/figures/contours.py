"""Contours: exact ellipses of a quadratic, lines on a grid by contourpy, and which levels to draw."""

from __future__ import annotations

import math

import numpy as np


def level_lines(xs: np.ndarray, ys: np.ndarray, values: np.ndarray, level: float) -> list[np.ndarray]:
    """Where ``values`` [ys, xs] cross ``level``: lines of points [n, 2], straight within each cell.

    A closed line ends at its first point. Cells with a corner that is not finite have none; where a cell's corners
    alternate, the mean of the four says which are joined.
    """
    from contourpy import contour_generator  # only where contours are drawn

    lines = contour_generator(xs, ys, np.ma.masked_invalid(values), corner_mask=False).lines(level)
    return [np.asarray(line) for line in lines]


def lowest_point(xs: np.ndarray, ys: np.ndarray, values: np.ndarray) -> tuple[float, float, float] | None:
    """x, y and value of the lowest point, interpolated by parabolas; None where it is at the edge of the grid.

    The lowest point of the edge is no minimum: the values may be lower beyond it.
    """
    i, j = np.unravel_index(np.argmin(np.where(np.isfinite(values), values, np.inf)), values.shape)
    if not (0 < i < len(ys) - 1 and 0 < j < len(xs) - 1) or not np.isfinite(values[i - 1 : i + 2, j - 1 : j + 2]).all():
        return None
    x_shift, x_fall = _parabola(values[i, j - 1 : j + 2])
    y_shift, y_fall = _parabola(values[i - 1 : i + 2, j])
    x, y = xs[j] + x_shift * (xs[1] - xs[0]), ys[i] + y_shift * (ys[1] - ys[0])
    return float(x), float(y), float(values[i, j] - x_fall - y_fall)


def _parabola(three: np.ndarray) -> tuple[float, float]:
    """Of a parabola through three values: the lowest point, in grid steps from the middle, and its depth below it."""
    left, middle, right = three
    bend = left - 2 * middle + right
    shift = 0.5 * (left - right) / bend if bend > 0 else 0.0
    return shift, 0.5 * bend * shift**2


def contour_levels(values: np.ndarray, lines: int = 14) -> tuple[list[float], str]:
    """The levels to draw, and their spacing in words: about ``lines`` within the lower 90 % of the values, some above.

    Evenly spaced at a round distance; where most values are far below the highest, each √10 times the next.
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
