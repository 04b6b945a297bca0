"""The dropout rate of a framework's layers as a hyperparameter of the recipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fallline.contracts import Hyperparameter
from fallline.errors import ModelError
from fallline.models.dropout import dropout_rate


def hyperparameters_of(rates: Sequence[Any], chosen: float | None, name: str) -> tuple[Hyperparameter, ...]:
    """The hyperparameter ``dropout_rate`` of a model whose dropout layers have these ``rates``, or none.

    Its default is the ``chosen`` rate, else that of the layers where they are equal. Where they differ, each keeps its
    own and there is no hyperparameter.
    """
    if chosen is not None and not rates:
        raise ModelError(f"model {name} has no dropout layer whose rate could be {chosen!r}; leave dropout_rate out")
    if chosen is None and len({float(rate) for rate in rates}) != 1:
        return ()
    default = dropout_rate(0.0).check(rates[0] if chosen is None else chosen, f"model {name}")
    return (dropout_rate(default),)


class LaneRate:
    """A rate that a layer takes for a Python float, though its value is known only when the program runs.

    Flax and Keras drop nothing where ``rate == 0`` (Keras: unless ``rate > 0``), and else compute with ``1 - rate``. A
    traced scalar cannot answer the first, so this is above 0 and equal to nothing; at a rate of 0 all values are kept
    anyway.
    """

    def __init__(self, rate: Callable[[], Any]):
        self.rate = rate

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __gt__(self, other: float) -> bool:
        return True

    def __rsub__(self, one: float) -> Any:
        return one - self.rate()
