"""The calculator: steps = epochs x examples / (batch x workers), in both directions, and as a sentence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from fallline.batching.rounding import as_decimal, whole_steps
from fallline.contracts import positive
from fallline.errors import HyperparameterError, StudyError, UnknownName

LAST = ("carried", "dropped", "kept")

_EPOCHS = positive("epochs", None)


@dataclass(frozen=True)
class Budget:
    """Steps, the epochs that they make, the examples that they use, and the calculation as a sentence."""

    steps: int
    epochs: float
    examples_seen: int
    sentence: str


def steps_of(epochs: float, examples: int, batch_size: int, workers: int = 1, last: str = "carried") -> Budget:
    """The steps of ``epochs`` epochs of ``examples``, each step a batch of ``batch_size`` on every worker.

    The examples left over at the end of an epoch are "carried" into the next one, so that the formula is exact; or
    "dropped", the default of studies; or "kept" as a smaller batch. Steps are rounded to the nearest number >= 1.
    HyperparameterError, UnknownName or StudyError for what is no budget.

    >>> steps_of(40, 60_000, 128).sentence
    '40 epochs of 60,000 examples in batches of 128 by 1 worker are 18,750 steps'
    """
    checked = _EPOCHS.check(epochs)
    assert isinstance(checked, float)
    an_epoch = _steps_an_epoch(examples, batch_size, workers, last)
    exact = as_decimal(checked) * an_epoch
    steps = whole_steps(exact)
    rounded = "" if exact == steps else f" ({_plain(exact)} before rounding)"
    sentence = (
        f"{_count(checked, 'epoch')} of {_count(examples, 'example')} {_batches(batch_size, workers, last)} "
        f"{_are(checked)} {_count(steps, 'step')}{rounded}"
    )
    return Budget(steps, checked, _seen(steps, an_epoch, examples, batch_size * workers), sentence)


def epochs_of(steps: int, examples: int, batch_size: int, workers: int = 1, last: str = "carried") -> Budget:
    """The epochs that ``steps`` steps make; otherwise as ``steps_of``. Epochs are not rounded.

    >>> epochs_of(18_750, 60_000, 128).sentence
    '18,750 steps in batches of 128 by 1 worker are 40 epochs of 60,000 examples'
    """
    _check_whole("steps", steps)
    an_epoch = _steps_an_epoch(examples, batch_size, workers, last)
    epochs = steps / an_epoch
    sentence = (
        f"{_count(steps, 'step')} {_batches(batch_size, workers, last)} {_are(steps)} "
        f"{_count(epochs, 'epoch')} of {_count(examples, 'example')}"
    )
    return Budget(steps, float(epochs), _seen(steps, an_epoch, examples, batch_size * workers), sentence)


def _steps_an_epoch(examples: int, batch_size: int, workers: int, last: str) -> Fraction:
    for name, value in (("examples", examples), ("batch_size", batch_size), ("workers", workers)):
        _check_whole(name, value)
    if last not in LAST:
        raise UnknownName("treatment of the last batch", last, LAST)
    if batch_size * workers > examples:
        raise StudyError(
            f"batch_size x workers must be at most the number of training examples, {examples:,}; "
            f"got {batch_size:,} x {workers:,}"
        )
    exact = Fraction(examples, batch_size * workers)
    return {"carried": exact, "dropped": Fraction(math.floor(exact)), "kept": Fraction(math.ceil(exact))}[last]


def _seen(steps: int, an_epoch: Fraction, examples: int, a_step: int) -> int:
    """Examples that ``steps`` use: a last step that is kept has what is left of the epoch."""
    short = math.ceil(an_epoch) * a_step - examples if an_epoch * a_step > examples else 0
    return steps * a_step - int(steps // an_epoch) * short


def _check_whole(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise HyperparameterError(f"{name} must be a whole number >= 1, got {value!r}")


def _batches(batch_size: int, workers: int, last: str) -> str:
    left = "" if last == "carried" else f", the last partial batch of each epoch {last},"
    return f"in batches of {batch_size:,} by {_count(workers, 'worker')}{left}"


def _are(count: float) -> str:
    return "is" if count == 1 else "are"


def _count(value: float | Fraction, unit: str) -> str:
    return f"{_plain(value)} {unit}{'' if value == 1 else 's'}"


def _plain(value: float | Fraction) -> str:
    """With thousands separators, and to six decimals where it is not whole."""
    if value == int(value):
        return f"{int(value):,}"
    return f"{float(value):,.6f}".rstrip("0").rstrip(".")
