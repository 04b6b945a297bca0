"""Batches for the program: the streams of several seeds, cut into stretches of one width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fallline.batching import width_for
from fallline.errors import StudyError


@dataclass(frozen=True)
class Batches:
    """The batches of all seeds of a program. Their sizes vary from step to step, not from seed to seed.

    Each is filled up to one of ``widths``, so that no more programs than widths are compiled. ``masked`` says that
    batches may be smaller than their width.
    """

    streams: Sequence[Any]
    widths: tuple[int, ...]
    masked: bool

    def ahead(self, start: int, most: int) -> tuple[int, int]:
        """How many of the next ``most`` steps are of one width, and which."""
        if len(self.widths) == 1:
            return most, self.widths[0]
        widths = [width_for(int(size), self.widths) for size in self.streams[0].sizes(start, start + most)]
        other = next((place for place, width in enumerate(widths) if width != widths[0]), most)
        return other, widths[0]

    def after(self, step: int) -> int:
        """The step whose batch shows the weights after the last one: ``step``, or the one before where that batch would
        be larger than any of the run.
        """
        try:
            size = int(self.streams[0].sizes(step, step + 1)[0])
            fits = size <= max(self.widths) if self.masked else size in self.widths
        except StudyError:  # a formula that gives no size from here on
            fits = False
        return step if fits else step - 1

    def indices(self, start: int, stop: int, width: int, room: int) -> np.ndarray:
        """The examples of those steps for every seed, int32 [seeds, room, width]; what is left of the room is 0."""
        chosen = np.zeros((len(self.streams), room, width), np.int32)
        for seed, stream in enumerate(self.streams):
            chosen[seed, : stop - start] = stream.indices(start, stop, width)
        return chosen

    def sizes(self, start: int, stop: int, room: int) -> np.ndarray | None:
        """How many examples of each batch count, int32 [room]; None where all do."""
        if not self.masked:
            return None
        sizes = np.ones(room, np.int32)
        sizes[: stop - start] = self.streams[0].sizes(start, stop)
        return sizes
