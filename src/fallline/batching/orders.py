"""Orders: the walk of one epoch over the examples in use. Batches are cut from it, one after another."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

Generators = Callable[[], np.random.Generator]
Classes = Callable[[], tuple[np.ndarray, ...]]
Walk = Callable[[int, Generators, Classes], np.ndarray]
"""``walk(examples, generator, classes)`` gives the examples of an epoch as they come: whole numbers [examples].

``generator()`` is the generator of the epoch, ``classes()`` the places of each class's examples, an array a class; an
order asks for what it needs.
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
    """One example of each class in turn; each class reshuffled every epoch, small ones started anew.

    The turn of the classes is drawn for the epoch and kept, so any stretch of it holds each class as often as any
    other, or once more; with a turn that changes on the way some stretch would hold a class twice more.
    """
    members, draw = classes(), generator()
    walk = np.empty(examples, np.int64)
    for place, turn in enumerate(draw.permutation(len(members))):
        own = members[turn]
        needed = len(range(place, examples, len(members)))
        passes = np.tile(own, (-(-needed // len(own)), 1))
        walk[place :: len(members)] = draw.permuted(passes, axis=1).ravel()[:needed]
    return walk


ORDERS: Mapping[str, Walk] = {
    "shuffled": shuffled,
    "file": in_file_order,
    "with_replacement": with_replacement,
    "balanced": balanced,
}
