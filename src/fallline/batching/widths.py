"""Widths: the few shapes that batches of many sizes are padded to, so that few programs are compiled."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence

import numpy as np

MAX_CANDIDATES = 256
"""Distinct sizes that are tried as widths. Of more, evenly spaced ones represent their smaller neighbours."""


def widths(size_counts: Mapping[int, int], most: int = 8) -> tuple[int, ...]:
    """At most ``most`` of the sizes, increasing, including the largest: the choice with the least padding.

    ``size_counts`` says how many steps, at least 1, have each size. A batch is padded to the next width, which costs
    as many examples as are added. Exact, by dynamic programming over the distinct sizes.
    """
    sizes, counts = _candidates(size_counts)
    number, before = len(sizes), np.concatenate([[0.0], np.cumsum(counts)])
    # cost[j]: the cost of all sizes up to and including j when j is a width, with one more width in each round. The
    # padded size is counted in place of the padding, which gives the same choice: the examples do not change.
    cost = sizes * before[1:]
    widths_before = [np.full(number, -1)]
    for _ in range(min(most, number) - 1):
        through = cost[:, None] + sizes[None, :] * (before[None, 1:] - before[1:, None])
        through[np.tril_indices(number)] = np.inf  # the width before is a smaller one
        previous = through.argmin(axis=0)
        cost = through[previous, np.arange(number)]
        widths_before.append(previous)
    chosen, place = [], number - 1
    for previous in reversed(widths_before):
        chosen.append(int(sizes[place]))
        place = int(previous[place])
    return tuple(reversed(chosen))


def width_for(size: int, widths: Sequence[int]) -> int:
    """The smallest of ``widths`` (increasing) that holds ``size``; ValueError where none does."""
    place = bisect_left(widths, size)
    if place == len(widths):
        raise ValueError(f"a batch of {size} examples fits none of the widths {list(widths)}")
    return widths[place]


def _candidates(size_counts: Mapping[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Increasing sizes and their counts, int64; of many sizes a few, each with the counts of those up to it."""
    sizes = np.array(sorted(size_counts), np.int64)
    counts = np.array([size_counts[size] for size in sizes.tolist()], np.int64)
    if len(sizes) <= MAX_CANDIDATES:
        return sizes, counts
    kept = np.linspace(0, len(sizes) - 1, MAX_CANDIDATES).round().astype(np.int64)
    return sizes[kept], np.diff(np.cumsum(counts)[kept], prepend=0)
