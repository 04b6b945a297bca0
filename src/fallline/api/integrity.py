"""Whether the files of a run folder are what was written, and the repair of those that are not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fallline.store.verify import Verification


def verify(folder: str | Path) -> Verification:
    """Check every file of a run folder: what is wrong, and what to do about it. Print it, or ask ``if verify(...)``.

    Checksums, counts and names of every block, the plan against the study, checkpoints, lock, left-overs and the other
    files. Nothing is written. StoreError where the folder is not a run folder.
    """
    from fallline.store.verify import verify as verified

    return verified(folder)


def repair_run(folder: str | Path) -> tuple[str, ...]:
    """Move what ``verify`` finds damaged to ``damaged/`` in the run folder; one line per file moved.

    Running the study again with ``resume`` trains it again. StoreError while a run uses the folder.
    """
    from fallline.store.verify import repair

    return repair(folder)
