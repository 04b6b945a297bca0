"""What a user's maker returns, before anything is run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fallline.errors import ModelError, but_an_interrupt


def shapes_of(evaluate: Callable[..., Any], make: Callable[[Any], Any], what: str) -> Any:
    """What ``make(key)`` returns, its arrays as shapes: nothing is computed, and no device is initialised.

    ``evaluate`` is the framework's ``eval_shape``; where it fails, ModelError says that ``what`` did.
    """
    import jax

    try:
        return evaluate(make, jax.eval_shape(lambda: jax.random.key(0)))
    except BaseException as failure:
        but_an_interrupt(failure)
        message = (str(failure).strip().splitlines() or [""])[0]
        raise ModelError(f"{what} fails: {type(failure).__name__}: {message}") from failure
