"""The batch policy of a recipe: how many examples a step uses, and which."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from fallline.batching.formula import Formula, parse
from fallline.batching.orders import ORDERS
from fallline.contracts import fraction
from fallline.errors import HyperparameterError, StudyError, UnknownName, but_an_interrupt

LAST = ("dropped", "kept")
SUBSETS = ("random", "first")
SHARED_BY = ("all", "worker")

_OVERLAP = fraction("overlap", 0.0, "share of a batch's examples that the next one has too")
_FORMULA = 'a size that changes is a text such as "30 + 10*epoch"'


@dataclass(frozen=True)
class BatchPolicy:
    """Which examples each step uses; equal policies choose the same.

    ``size`` is the number of examples per step, None for all of them, or a formula of the epoch (from 0).
    ``order`` is one of ``ORDERS``. ``overlap`` in [0, 1) is the share of a batch that the next one has too.
    ``subset`` is how many examples are used at all (None for all): the "first", or "random" ones of the seed. ``last``
    says what becomes of a partial batch at the end of an epoch: "dropped", or "kept" as a smaller one.
    """

    size: int | str | None
    order: str = "shuffled"
    overlap: float = 0.0
    subset: int | None = None
    subset_from: str = "random"
    last: str = "dropped"


def check_batch_size(value: object, where: str = "") -> int | str | None:
    """``value`` as ``BatchPolicy.size``: "all" is None, a formula gets even spaces, one without epoch is its number.

    HyperparameterError for a number that is no size or a formula that gives none at epoch 0 (the stream checks later
    epochs), StudyError for a text that is neither "all" nor a formula.
    """
    law, place = 'batch_size must be a whole number >= 1 or "all"', f" ({where})" if where else ""
    if isinstance(value, str):
        if value == "all":
            return None
        if difflib.get_close_matches(value.strip().casefold(), ["all"], cutoff=0.6):
            raise StudyError(f'{law}, got {value!r}{place}; did you mean "all"?')
        formula = parse(value, where)
        first = _first_size(formula, place)
        return first if formula.constant else formula.text
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise HyperparameterError(f"{law}, got {_shown(value)}{place}; {_FORMULA}")
    return value


def _first_size(formula: Formula, place: str) -> int:
    try:
        return formula.size(0)
    except HyperparameterError as failure:
        raise HyperparameterError(f"{failure}{place}") from None


def check_batch_of(value: object, where: str = "") -> str:
    """``value`` as "all" or "worker", which share or have the batch; or UnknownName."""
    return _choice("owner of a batch", value, SHARED_BY, where)


def times_workers(size: int | str | None, workers: int, where: str = "") -> int | str | None:
    """The size of a step's batch where each of ``workers`` takes a batch of ``size``, a number or a formula.

    StudyError for all examples at every step, which cannot be multiplied.
    """
    if size is None:
        place = f" ({where})" if where else ""
        raise StudyError(f'batch_of = "worker" needs a batch_size that is a number or a formula, got "all"{place}')
    if workers == 1:
        return size
    return size * workers if isinstance(size, int) else check_batch_size(f"({size})*{workers}", where)


def check_order(value: object, where: str = "") -> str:
    """``value`` as the name of an order of examples, or UnknownName."""
    return _choice("order of batches", value, ORDERS, where)


def check_last(value: object, where: str = "") -> str:
    """``value`` as "dropped" or "kept", or UnknownName."""
    return _choice("treatment of the last batch", value, LAST, where)


def check_subset_from(value: object, where: str = "") -> str:
    """``value`` as "random" or "first", or UnknownName."""
    return _choice("kind of subset", value, SUBSETS, where)


def check_overlap(value: object, where: str = "") -> float:
    """``value`` as a share in [0, 1), or HyperparameterError."""
    overlap = _OVERLAP.check(value, where)
    assert isinstance(overlap, float)
    return overlap


def check_subset(value: object, where: str = "") -> int | None:
    """``value`` as the number of examples that are used, "all" and None as None; or HyperparameterError."""
    if value is None or value == "all":
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        place = f" ({where})" if where else ""
        raise HyperparameterError(f'subset must be a whole number >= 1 or "all", got {_shown(value)}{place}')
    return value


def _choice(kind: str, value: object, known: Iterable[str], where: str) -> str:
    if not isinstance(value, str) or value not in known:
        raise UnknownName(kind, value if isinstance(value, str) else _shown(value), known, where)
    return value


def _shown(value: object, most: int = 60) -> str:
    try:
        text = repr(value)
    except BaseException as failure:  # whole numbers of thousands of digits, objects of the user whose repr fails
        but_an_interrupt(failure)
        return f"a value of type {type(value).__name__}"
    return text if len(text) < most else text[: most - 3] + "..."
