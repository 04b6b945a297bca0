"""Two Gaussian classes in any number of dimensions, drawn from a seed."""

from __future__ import annotations

import numpy as np

from fallline.contracts import Split, Splits
from fallline.errors import HyperparameterError

HELD_OUT = 2_000
"""Examples for validation, and as many for test; half of each class, as everywhere."""

MAX_ENTRIES = 100_000_000
"""Numbers in the training split, 400 MB; more is a mistake."""

GAUSSIANS = 0x67617573
"""Keeps these draws apart from any other use of the same seed ("gaus" in ASCII)."""


def two_gaussians(inputs: int, examples: int = 5_000, seed: int = 0) -> Splits:
    """Class 0 is a standard normal plus 2, class 1 twice a standard normal plus 4, in ``inputs`` dimensions.

    Inputs float32 [n, inputs], targets float32 [n] of 0 and 1, half of each, shuffled: ``examples`` for training, and
    2,000 each for validation and test, drawn independently. All inputs are divided by the largest absolute entry of the
    training inputs, which are then in -1 ... 1. HyperparameterError for a size or seed that is not valid.

    Source: Kak, ComputationalGraphPrimer 1.1.5. It divides each batch by the largest entry of that batch, so an example
    depends on the others of its batch; here it does not.

    >>> two_gaussians(4).train.inputs.shape
    (5000, 4)
    """
    _check("inputs", inputs, 1)
    _check("examples", examples, 2)
    _check("seed", seed, 0)
    if examples % 2:
        raise HyperparameterError(f"examples must be even, as many of each class, got {examples}")
    if inputs * examples > MAX_ENTRIES:
        raise HyperparameterError(f"inputs x examples must be at most {MAX_ENTRIES:,}, got {inputs:,} x {examples:,}")
    drawn = [_draw(inputs, count, seed, stream) for stream, count in enumerate((examples, HELD_OUT, HELD_OUT))]
    largest = np.abs(drawn[0][0]).max()
    return Splits(
        *(Split((points / largest).astype(np.float32), classes.astype(np.float32)) for points, classes in drawn)
    )


def _draw(inputs: int, examples: int, seed: int, stream: int) -> tuple[np.ndarray, np.ndarray]:
    """Points [examples, inputs] and their classes [examples]; each stream of a seed is drawn independently."""
    generator = np.random.Generator(np.random.Philox(np.random.SeedSequence([GAUSSIANS, seed, stream])))
    classes = generator.permutation(np.arange(examples) % 2)
    normal = generator.standard_normal((examples, inputs))
    return np.where(classes[:, None] == 1, 2 * normal + 4, normal + 2), classes


def _check(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise HyperparameterError(f"{name} must be a whole number, at least {least}, got {value!r}")
