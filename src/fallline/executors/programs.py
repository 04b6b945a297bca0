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

    def of(self, cohort: Cohort, layout: Layout, data: tuple[Any, ...], row: Row = ALONE) -> Program:
        """The program of that cohort in that layout on data of that task and shape, for a row of devices; made now if
        there is none.
        """
        key = (cohort, layout, data, row)
        if key not in self._known:
            self._known[key] = Program(cohort, layout, row)
        return self._known[key]

    def choose(self, measured: Programs, layout: Layout) -> None:
        """Of programs that were measured take over those in that layout, and let go of the others: each holds some
        megabytes.
        """
        if measured._known:
            self._known |= {key: program for key, program in measured._known.items() if program.layout == layout}
            measured._known.clear()
            gc.collect()  # a program and its parts know each other
