"""Tasks that differ in one size: ``fashion-mnist-mlp-256`` is the family's task of 256 hidden units."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from fallline.contracts import Task
from fallline.errors import StudyError

LARGEST = 65_536
"""Units: more is a mistake."""


@dataclass(frozen=True)
class TaskFamily:
    """``make(size)`` returns the task ``NAME-SIZE``."""

    name: str
    make: Callable[[int], Task]
    title: str = ""

    def member(self, name: str, where: str = "") -> Task | None:
        """The task of that name, None where it is not of this family, StudyError where its size is not valid."""
        match = re.fullmatch(re.escape(self.name) + r"-(\d+)", name)
        if match is None:
            return None
        digits = match[1]
        if len(digits) > len(str(LARGEST)) or not 1 <= int(digits) <= LARGEST or digits != str(int(digits)):
            place = f" ({where})" if where else ""
            raise StudyError(f"{self.name}-H needs a number of units H from 1 to {LARGEST:,}, got {digits[:20]}{place}")
        return _made(self, int(digits))


@cache
def _made(family: TaskFamily, size: int) -> Task:
    # One task object per name: equal tasks share programs.
    return family.make(size)
