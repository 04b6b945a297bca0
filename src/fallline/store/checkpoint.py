"""Checkpoints of a long block: its arrays and its records so far, in one file without pickles."""

from __future__ import annotations

import errno
import json
import math
import os
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import fallline
from fallline.errors import StoreError
from fallline.store.files import write_atomically
from fallline.store.paths import RunPaths
from fallline.study.formatting import failure_summary
from fallline.study.trial import digest

FORMAT = 2


class Unusable(Exception):
    """A checkpoint that is there and cannot be gone on from; the text says why."""


class Damaged(Unusable):
    """A checkpoint whose content is not what was written."""

    def __init__(self, failure: BaseException):
        super().__init__(f"is damaged ({failure_summary(failure)[:100]})")


class Unreadable(Unusable):
    """A checkpoint that may be whole and could not be read just now: for want of memory, or by the system."""


class Saved(NamedTuple):
    """``leaves`` are the arrays of the block's state, ``series`` named arrays, ``notes`` JSON."""

    leaves: list[np.ndarray]
    series: dict[str, np.ndarray]
    notes: dict[str, Any]


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
    """The checkpoint of one block, which trains ``trials`` (their names, in order)."""

    def __init__(self, paths: RunPaths, block: str, trials: Sequence[str]):
        self.path, self.block = paths.checkpoint(block), block
        self.trials = digest(list(trials))
        self.every = checkpoint_seconds()
        self.last = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether the last one is long enough ago."""
        return time.monotonic() - self.last >= self.every

    def save(self, leaves: list[np.ndarray], series: dict[str, np.ndarray], notes: dict[str, Any]) -> None:
        arrays = {f"leaf{number}": leaf for number, leaf in enumerate(leaves)}
        arrays |= {f"series:{name}": values for name, values in series.items()}
        header = {"format": FORMAT, "fallline": fallline.__version__, "trials": self.trials, "leaves": len(leaves)}
        text = np.array(json.dumps(header | {"notes": notes}))
        write_atomically(self.path, lambda file: np.savez(file, header=text, **arrays))
        self.last = time.monotonic()

    def load(self) -> Saved | None:
        """What was saved; None where nothing was. Unusable where it cannot be gone on from: the block starts anew.

        StoreError where it may be whole and cannot be read here and now; it is kept. A file is taken for damaged only
        where it is so when it is read again.
        """
        if not self.path.exists():
            return None
        try:
            try:
                return self._load()
            except Damaged:
                return self._load()
        except Unreadable as why:
            raise StoreError(
                f"the checkpoint {self.path} {why}; it is kept. Continue with the same command and --resume "
                "when that is mended"
            ) from None

    def _load(self) -> Saved:
        with opened(self.path) as (header, file):
            if header.get("trials") != self.trials:
                raise Unusable("is of other trials")
            leaves = [file[f"leaf{number}"] for number in range(header["leaves"])]
            return Saved(
                leaves, {name[7:]: file[name] for name in file.files if name.startswith("series:")}, header["notes"]
            )

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


@contextmanager
def opened(path: Path) -> Iterator[tuple[dict[str, Any], Any]]:
    """A checkpoint's header and its arrays by name, while it is open; Unusable where it is damaged or another
    version's, Unreadable where neither is known."""
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            header = json.loads(str(file["header"]))
            version = str(header.get("fallline", "of another version"))[:40]
            if (header.get("format"), version) != (FORMAT, fallline.__version__):
                raise Unusable(f"was written by fallline {version}, and this is {fallline.__version__}")
            yield header, file
    except Unusable:
        raise
    except OSError as failure:
        if failure.errno == errno.EINVAL:  # so a torn archive is sought in before its start
            raise Damaged(failure) from None
        raise Unreadable(f"cannot be read ({failure.strerror or failure})") from None
    except MemoryError as failure:  # a torn header may ask for any size
        if _is_whole(path):
            raise Unreadable("needs more memory than there is") from None
        raise Damaged(failure) from None
    except Exception as failure:  # a damaged archive makes numpy and zipfile raise a dozen kinds
        raise Damaged(failure) from None


def _is_whole(path: Path) -> bool:
    """Whether all of the archive has its checksums, without holding it in memory."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except Exception:
        return False
