"""The figures of a run as altair charts, for a notebook."""

from __future__ import annotations

from typing import Any

from fallline.errors import UnknownName
from fallline.report.figures import drawn, figure_kinds, settled_scale, specs
from fallline.report.leading_figures import of_the_page
from fallline.report.vega import altair_chart
from fallline.store import Run
from fallline.study import Figure


def figure(run: Run, which: str | Figure) -> Any:
    """The altair chart of one figure: a name as in ``charts(run)``, a kind, one that only the page has
    ("curves-of-the-best"), or a Figure. It shows itself in a notebook.

    >>> fallline.report.figure(run, "sensitivity")                                          # doctest: +SKIP
    """
    if isinstance(which, Figure):
        return altair_chart(drawn(run, settled_scale(which)).specification)
    known = specs(run)
    if which not in known and which not in figure_kinds():
        known |= of_the_page(run)
    if which not in known and which not in figure_kinds():
        raise UnknownName("figure", which, {*known, *figure_kinds()}, f"study {run.study.name}")
    return altair_chart(drawn(run, known.get(which, Figure(kind=which))).specification)


def charts(run: Run) -> dict[str, Any]:
    """Every figure of the run's report by name, as altair charts."""
    return {name: altair_chart(drawn(run, spec, name).specification) for name, spec in specs(run).items()}
