"""The compiled programs of a session, which cohorts that are alike share."""

from __future__ import annotations

from typing import Any

from fallline.engine.evaluation import Evaluation
from fallline.engine.lanes import Cohort
from fallline.engine.mesh import ALONE, Row
from fallline.engine.program import Layout, Program


class Programs:
    """The compiled programs of a session: cohorts that are alike share one, and those that differ in update rules alone
    share its evaluation.
    """

    def __init__(self) -> None:
        self._known: dict[Any, Program] = {}
        self._evaluations: dict[Any, Evaluation] = {}

    def of(self, cohort: Cohort, layout: Layout, data: tuple[Any, ...], row: Row = ALONE) -> Program:
        """The program of that cohort in that layout on data of that task and shape, for a row of devices; made now if
        there is none.
        """
        key = (cohort, layout, data, row)
        if key not in self._known:
            alike = (Program.evaluates_as(cohort, layout, row), data)
            self._known[key] = Program(cohort, layout, row, self._evaluations.get(alike))
            self._evaluations.setdefault(alike, self._known[key].evaluation)
        return self._known[key]
