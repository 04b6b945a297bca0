"""Evaluating lanes on a split that is held out, batch by batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from fallline.engine.lanes import Data, Numbers, State
from fallline.engine.mesh import ALONE, Row
from fallline.engine.program import Program

EVALUATION_BATCH = 1000
"""Examples a dispatch when a split is evaluated."""


class HeldOut(NamedTuple):
    """A split on the device in batches of one size; ``counts`` [batch] is 0 for the examples that fill the last."""

    examples: int
    batches: tuple[tuple[Data, Any], ...]


def evaluate(program: Program, state: State, numbers: tuple[Numbers, ...],
             held: HeldOut) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
    """Loss and metrics over a whole split, [seeds, lanes], and of a classification the classes given,
    uint16 [seeds, lanes, examples].
    """
    # One batch after the other: each that waits in a queue would hold memory of its own.
    seen = [dict(jax.device_get(program.evaluate(state, numbers, *batch))) for batch in held.batches]
    classes = [part.pop("predicted") for part in seen if "predicted" in part]
    predicted = np.concatenate(classes, axis=-1)[..., :held.examples] if classes else None
    sums = program.cohort.loss.reduce == "sum"
    values = {name: np.sum([part[name] for part in seen], axis=0, dtype=np.float64) for name in seen[0]}
    means = {name: total / (1 if name == "loss" and sums else held.examples) for name, total in values.items()}
    return means, predicted


def hold_out(splits: Mapping[str, tuple[np.ndarray, np.ndarray]], row: Row = ALONE) -> dict[str, HeldOut]:
    """Splits (inputs [n, ...], targets [n, ...]) on the devices of a row, ready for ``evaluate``; all in batches of the
    same size.
    """
    size = row.even(min(EVALUATION_BATCH, max((len(inputs) for inputs, _ in splits.values()), default=1)))
    held = {}
    for name, (inputs, targets) in splits.items():
        batches = [_padded(inputs[first:first + size], targets[first:first + size], size)
                   for first in range(0, len(inputs), size)]
        held[name] = HeldOut(len(inputs), tuple(row.put(batch) for batch in batches))
    return held


def _padded(inputs: np.ndarray, targets: np.ndarray, size: int) -> tuple[Data, np.ndarray]:
    """A batch of that size: the examples repeated at its end do not count."""
    short = size - len(inputs)
    rows = np.concatenate([np.arange(len(inputs)), np.zeros(short, np.int64)])
    counts = np.concatenate([np.ones(len(inputs), np.float32), np.zeros(short, np.float32)])
    return Data(inputs[rows], targets[rows]), counts
