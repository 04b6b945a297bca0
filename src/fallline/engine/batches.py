"""Batches for the program: the batch streams of several seeds, in runs of steps with the same width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fallline.batching import width_for
from fallline.errors import StudyError


@dataclass(frozen=True)
class Batches:
    """The batches of all seeds of a program. Batch sizes may differ between steps, not between seeds.

    Each batch is padded to one of ``widths``, and one program is compiled per width. ``masked``: batches may be smaller
    than their width.
    """

    streams: Sequence[Any]
    widths: tuple[int, ...]
    masked: bool

    def ahead(self, start: int, most: int) -> tuple[int, int]:
        """How many of the next ``most`` steps have the same width, and that width."""
        if len(self.widths) == 1:
            return most, self.widths[0]
        widths = [width_for(int(size), self.widths) for size in self.streams[0].sizes(start, start + most)]
        count = next((step for step, width in enumerate(widths) if width != widths[0]), most)
        return count, widths[0]

    def after(self, step: int) -> int:
        """The step whose batch measures the weights after the last update: ``step``, or the step before where the batch
        of ``step`` is larger than any of the run.
        """
        try:
            size = int(self.streams[0].sizes(step, step + 1)[0])
            fits = size <= max(self.widths) if self.masked else size in self.widths
        except StudyError:  # a batch-size formula that is invalid from this step on
            fits = False
        return step if fits else step - 1

    def indices(self, start: int, stop: int, width: int, room: int) -> np.ndarray:
        """The examples of these steps for every seed, int32 [seeds, room, width], padded with 0 to ``room`` steps."""
        chosen = np.zeros((len(self.streams), room, width), np.int32)
        for seed, stream in enumerate(self.streams):
            chosen[seed, : stop - start] = stream.indices(start, stop, width)
        return chosen

    def sizes(self, start: int, stop: int, room: int) -> np.ndarray | None:
        """The true size of each batch, int32 [room]; None where no batch is padded."""
        if not self.masked:
            return None
        sizes = np.ones(room, np.int32)
        sizes[: stop - start] = self.streams[0].sizes(start, stop)
        return sizes
