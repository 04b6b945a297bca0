"""The compiled programs of a session, which cohorts that are alike share."""

from __future__ import annotations

import gc
from typing import Any

from fallline.engine.lanes import Cohort
from fallline.engine.mesh import ALONE, Row
from fallline.engine.program import Layout, Program


class Programs:
    """The compiled programs of a session: cohorts that are alike share one."""

    def __init__(self) -> None:
        self._known: dict[Any, Program] = {}
        self._met: set[Any] = set()

    def meets(self, cohort: Cohort, data: tuple[Any, ...]) -> bool:
        """Whether that cohort and data of that task and shape meet here for the first time."""
        first = (cohort, data) not in self._met
        self._met.add((cohort, data))
        return first

    def of(self, cohort: Cohort, layout: Layout, data: tuple[Any, ...], row: Row = ALONE) -> Program:
        """The program of that cohort in that layout on data of that task and shape, for a row of devices; made now if
        there is none.
        """
        key = (cohort, layout, data, row)
        if key not in self._known:
            self._known[key] = Program(cohort, layout, row)
        return self._known[key]

    def forget_others(self, than: Program) -> None:
        """Let go of a cohort's programs in layouts that were measured and not chosen: each holds some megabytes."""
        gone = [key for key, program in self._known.items() if program.cohort == than.cohort and program is not than]
        for key in gone:
            del self._known[key]
        if gone:
            gc.collect()  # a program and its parts know each other
