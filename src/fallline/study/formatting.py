"""Values and failures in error messages: short, whatever they are."""

from __future__ import annotations

from fallline.errors import but_an_interrupt


def shown(value: object, most: int = 60) -> str:
    """``value`` as Python writes it, cut where it is long."""
    try:
        text = repr(value)
    except BaseException as failure:  # whole numbers of thousands of digits, objects of the user whose repr fails
        but_an_interrupt(failure)
        return f"a value of type {type(value).__name__}"
    return text if len(text) < most else text[: most - 3] + "..."


def exact(value: object) -> str:
    """A number as the shortest text that is read back as the same number.

    >>> exact(31.622776601683796), exact(0.1), exact(2.0), exact(3)
    ('31.622776601683796', '0.1', '2', '3')
    """
    return repr(float(value)).removesuffix(".0") if isinstance(value, float) else str(value)


def failure_summary(failure: BaseException) -> str:
    """The type of an exception and the first line of its message."""
    return ": ".join([type(failure).__name__, *str(failure).splitlines()[:1]])
