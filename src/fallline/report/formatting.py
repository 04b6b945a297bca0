"""Formats of numbers and names, the same on the page, in figures and in the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from fallline.study.column_words import NULL_WORDS, SAID_ALONE, phrase

Digits = Mapping[str, int]
USUAL: Digits = {}
"""By column, the digits that distinguish its settings, where more than ``LEAST`` are needed."""

MISSING = "–"
DIGITS = 4
"""Significant digits of a result."""

SETTING_FORMAT, COUNT_FORMAT = "~g", ",d"
"""d3 formats that write as ``setting`` and ``count`` do."""

ALONE = ("optimizer", "loss", "loss_kind", "task", *SAID_ALONE)
"""Columns whose values are written without the column's name."""

LEAST, MOST = 6, 25
"""Digits of a setting: as few as distinguish it from the others of its column. (Below 1 they are decimals.)"""

SMALL = 1e-4
"""Smaller numbers are written as a power: 1.349e-5."""


def number_expression(field: str) -> str:
    """The Vega expression that writes a field as ``number`` does."""
    held = field.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
    value = f"datum['{held}']"
    return (
        f"{value} === 0 ? '0' : !isNumber({value}) ? '{MISSING}' : format({value}, "
        f"abs({value}) < {SMALL} || abs({value}) >= 1e{DIGITS} ? '.{DIGITS - 1}e' : '.{DIGITS}g')"
    )


def number(value: float | None, digits: int = DIGITS) -> str:
    """A result: four significant digits, 0.3012, 2.303, 1.349e-7.

    >>> number(0.91998), number(1.349e-7), number(None)
    ('0.9200', '1.349e-7', '–')
    """
    if value is None or math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    power = int(exponent)
    plain = abs(value) >= SMALL and power < digits
    text = f"{value:.{max(0, digits - 1 - power)}f}" if plain else f"{mantissa}e{power:+d}"
    return _minus(text)


def signed(value: float | None) -> str:
    """A difference, with its sign and two digits: +0.0051."""
    if value is None or math.isnan(value):
        return MISSING
    text = number(abs(value), 2)
    return ("+" if value > 0 else "−" if value < 0 else "") + text


def setting(value: Any, digits: int = LEAST) -> str:
    """A setting: 0.005, 1e-7, 30,000, all, file; with so many digits, but no zeros at the end."""
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return name(value)
    if isinstance(value, int):
        return count(value)
    if value == 0 or SMALL <= abs(value) < 1e6:
        return _minus(f"{value:.{digits}f}".rstrip("0").rstrip(".") if abs(value) < 1 else f"{value:.{digits}g}")
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    return _minus(f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent):+d}")


def digits_apart(values: Iterable[Any]) -> int:
    """The digits that distinguish all different settings: ``LEAST`` nearly always.

    >>> digits_apart([0.1, 0.01]), digits_apart([0.1, 0.10000001])
    (6, 8)
    """
    numbers = {value for value in values if isinstance(value, float)}
    return next(
        (digits for digits in range(LEAST, MOST) if len({setting(one, digits) for one in numbers}) == len(numbers)),
        MOST,
    )


def digits_in(rows: Iterable[Mapping[str, Any]]) -> Digits:
    """``digits_apart`` of the values of each column of these rows, of columns that need more than usual."""
    columns: dict[str, list[Any]] = {}
    for row in rows:
        for name, value in row.items():
            columns.setdefault(name, []).append(value)
    found = {name: digits_apart(values) for name, values in columns.items()}
    return {name: digits for name, digits in found.items() if digits > LEAST}


def count(value: float | None) -> str:
    """A whole number with its thousands set off: 30,000."""
    return MISSING if value is None else _minus(f"{round(value):,}")


def seconds(value: float | None) -> str:
    """A duration: 0.034 s, 12.1 s, 4 min 10 s."""
    if value is None:
        return MISSING
    if value < 120:
        return f"{number(value, 3)} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"


def size(value: float | None) -> str:
    """Bytes: 980 B, 12.4 MiB."""
    if value is None:
        return MISSING
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 999.5 or unit == "GiB":
            return f"{count(value) if unit == 'B' else number(value, 3)} {unit}"
        value /= 1024
    return MISSING


def name(text: str) -> str:
    """A component's name in words: "proximal gradient descent"."""
    return text.replace("_", " ")


def value_of(column: str, value: Any, digits: Digits = USUAL) -> str:
    """A setting of a recipe column: a batch size of null is all examples, a penalty of null is off, a flag is yes or
    no. ``digits`` are those of columns that need more than usual: see ``naming.digits_of``."""
    if value is None and column in NULL_WORDS:
        return NULL_WORDS[column]
    if column == "loss_kind" and value is not None:
        return name(value).replace("(", " (").replace("=", " ")
    if column == "centered" and value is not None:
        return "yes" if value else "no"
    return setting(value, digits.get(column, LEAST))


def recipe(row: Mapping[str, Any], columns: Iterable[str], digits: Digits = USUAL) -> str:
    """A configuration in words: "adam, learning rate 0.005, batch 100, shuffled"; hyperparameters it does not have
    are left out. Different configurations have different texts, with the ``digits`` of their run
    (``naming.digits_of``).
    """
    said = [setting_of(column, row.get(column), digits) for column in columns]
    return ", ".join(text for text in said if text)


def setting_of(column: str, value: Any, digits: Digits = USUAL) -> str:
    """One setting with its name; "" for a hyperparameter that the recipe does not have."""
    text = value_of(column, value, digits)
    if text == MISSING:
        return ""
    if column == "centered":
        return "centered" if value else "not centered"
    if column == "schedule":
        return f"{text} schedule"
    return text if column in ALONE and column not in SAID_ALONE else phrase(column, value, text)


def where(kept: Mapping[str, Any], at: Mapping[str, Any]) -> str:
    """The trials of a published figure: "adam, learning rate 0.005 or 0.01"."""
    said, digits = (
        [],
        digits_in(
            {name: value}
            for table in (kept, at)
            for name, one in table.items()
            for value in (one if isinstance(one, (list, tuple)) else [one])
        ),
    )
    for column, wanted in [*kept.items(), *at.items()]:
        values = wanted if isinstance(wanted, (list, tuple)) else [wanted]
        text = " or ".join(value_of(column, value, digits) for value in values)
        said.append(text if column in ALONE else f"{name(column)} {text}")
    return ", ".join(said) or "all trials"


def capital(text: str) -> str:
    """``text`` as a sentence begins."""
    return text[:1].upper() + text[1:]


def listed(items: Iterable[str], most: int = 8) -> str:
    """A list in prose: "a, b and c"; what goes beyond ``most`` is counted."""
    items = list(items)
    if len(items) > most:
        items = [*items[:most], f"{count(len(items) - most)} more"]
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1] if items else ""


def plural(n: int, word: str) -> str:
    """ "1 seed", "5 seeds"."""
    return f"{count(n)} {word}{'' if n == 1 else 's'}"


def margin(value: float | None) -> str:
    """The margin of equivalence, two digits: 0.005, 0.013, 120."""
    return setting(None if value is None else float(f"{value:.2g}"))


def seeds_range(least: int, most: int | None) -> str:
    """How many seeds: "19 to 43 seeds", "34 seeds", "60 seeds or more".

    >>> seeds_range(19, 43), seeds_range(60, None)
    ('19 to 43 seeds', '60 seeds or more')
    """
    if most is None:
        return f"{plural(least, 'seed')} or more"
    return plural(least, "seed") if least == most else f"{count(least)} to {plural(most, 'seed')}"


def _minus(text: str) -> str:
    return "−" + text[1:] if text.startswith("-") else text
