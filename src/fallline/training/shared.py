"""What runs of one process share, where a caller trains several of them: compiled programs, and examples."""

from __future__ import annotations

from fallline.tasks.folds import FoldSplit
from fallline.training.arrays import Arrays
from fallline.training.programs import Programs


class Shared:
    """The programs and examples that were used so far. The studies differ in their trials, not in their data."""

    def __init__(self) -> None:
        self.programs = Programs()
        self.arrays: dict[tuple[str, FoldSplit | None], Arrays] = {}
