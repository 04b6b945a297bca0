"""The values that any field of a study may have: texts, finite numbers of 64 bits, lists and tables of these."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

DEEPEST = 40
"""Nested tables; a TOML file has fewer, and a table that contains itself has no end."""

DATES = (datetime.date, datetime.time, datetime.timedelta)


def unstorable(value: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[str, str, Any]]:
    """The place, the law and the value of everything in ``value`` that cannot be stored.

    A study is named by the hash of its JSON and kept as TOML, and its values become columns. These have no form for
    dates, infinity and whole numbers of more than 64 bits. Components given as Python objects are not looked into.
    """
    if len(place) > DEEPEST:
        yield ".".join(place[:3]), f"is nested more than {DEEPEST} deep", "..."
    elif isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                yield ".".join([*place, str(key)[:60]]), "a name must be a text", key
            yield from unstorable(inner, (*place, str(key)[:60]))
    elif isinstance(value, (list, tuple)):
        for number, inner in enumerate(value):
            yield from unstorable(inner, (*place, str(number)))
    elif isinstance(value, DATES):
        yield ".".join(place), "is a date or a time, which no field takes; in quotes it is a text", str(value)
    elif isinstance(value, (float, np.floating)) and not math.isfinite(value):
        yield ".".join(place), "must be a finite number", value
    elif isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
        yield ".".join(place), "a whole number must fit in 64 bits", value
