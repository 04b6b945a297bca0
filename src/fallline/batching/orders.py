"""Orders of the examples in an epoch. Batches are taken from it one after another."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

Generators = Callable[[], np.random.Generator]
Classes = Callable[[], tuple[np.ndarray, ...]]
Walk = Callable[[int, Generators, Classes], np.ndarray]
"""``walk(examples, generator, classes)`` returns the examples of an epoch in their order: whole numbers [examples].

``generator()`` is the random generator of the epoch, ``classes()`` the positions of the examples of each class, one
array per class; an order calls what it needs.
"""


def shuffled(examples: int, generator: Generators, classes: Classes) -> np.ndarray:
    """A new order of all examples each epoch."""
    return generator().permutation(examples)


def in_file_order(examples: int, generator: Generators, classes: Classes) -> np.ndarray:
    """The order of the data, every epoch."""
    return np.arange(examples)


def with_replacement(examples: int, generator: Generators, classes: Classes) -> np.ndarray:
    """Each example of a batch drawn from all, whatever was drawn before."""
    return generator().integers(0, examples, examples)


def balanced(examples: int, generator: Generators, classes: Classes) -> np.ndarray:
    """One example of each class in turn; each class is reshuffled every epoch, and a small one repeats.

    The order of the classes is drawn once per epoch, so that any sequence of batches has each class as often as any
    other, or once more.
    """
    members, draw = classes(), generator()
    walk = np.empty(examples, np.int64)
    for place, turn in enumerate(draw.permutation(len(members))):
        of_class = members[turn]
        needed = len(range(place, examples, len(members)))
        passes = np.tile(of_class, (-(-needed // len(of_class)), 1))
        walk[place :: len(members)] = draw.permuted(passes, axis=1).ravel()[:needed]
    return walk


ORDERS: Mapping[str, Walk] = {
    "shuffled": shuffled,
    "file": in_file_order,
    "with_replacement": with_replacement,
    "balanced": balanced,
}
