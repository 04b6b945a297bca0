"""Checkpoints of a long block: its arrays and its records so far, in one file without pickles."""

from __future__ import annotations

import json
import math
import os
import time
from typing import Any

import numpy as np

from fallline.errors import StoreError
from fallline.store.files import write_atomically
from fallline.store.layout import Layout

FORMAT = 1


def checkpoint_seconds() -> float:
    """Seconds between checkpoints of a block: 60, or what FALLLINE_CHECKPOINT_SECONDS says."""
    written = os.environ.get("FALLLINE_CHECKPOINT_SECONDS", "60")
    try:
        seconds = float(written)
    except ValueError:
        seconds = math.nan
    if not seconds >= 0:
        raise StoreError(f"FALLLINE_CHECKPOINT_SECONDS must be a number of seconds >= 0, got {written!r}")
    return seconds


class Checkpoints:
    """The checkpoint of one block. ``leaves`` are the arrays of its state, ``series`` named arrays, ``notes`` JSON."""

    def __init__(self, paths: Layout, block: str):
        self.path = paths.checkpoint(block)
        self.every = checkpoint_seconds()
        self.last = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether the last one is long enough ago."""
        return time.monotonic() - self.last >= self.every

    def save(self, leaves: list[np.ndarray], series: dict[str, np.ndarray], notes: dict[str, Any]) -> None:
        arrays = {f"leaf{number}": leaf for number, leaf in enumerate(leaves)}
        arrays |= {f"series:{name}": values for name, values in series.items()}
        header = np.array(json.dumps({"format": FORMAT, "leaves": len(leaves), **notes}))
        write_atomically(self.path, lambda file: np.savez(file, header=header, **arrays))
        self.last = time.monotonic()

    def load(self) -> tuple[list[np.ndarray], dict[str, np.ndarray], dict[str, Any]] | None:
        """What was saved, or None where there is nothing that can be used: then the block starts anew."""
        try:
            with self.path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                notes = json.loads(str(file["header"]))
                if notes.get("format") != FORMAT:
                    return None
                leaves = [file[f"leaf{number}"] for number in range(notes["leaves"])]
                return leaves, {name[7:]: file[name] for name in file.files if name.startswith("series:")}, notes
        except Exception:  # a damaged archive makes numpy and zipfile raise a dozen kinds
            return None

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
