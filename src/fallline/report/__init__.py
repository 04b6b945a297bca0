"""The report: one page that opens from disk, its figures and tables beside it; the same opening in a terminal."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "write_report": "fallline.report.page",
    "figure": "fallline.report.figure_charts",
    "charts": "fallline.report.figure_charts",
    "write_figures": "fallline.report.figure_files",
    "shown": "fallline.report.terminal",
}

__all__ = ["charts", "figure", "shown", "write_figures", "write_report"]

if TYPE_CHECKING:
    from fallline.report.figure_charts import charts, figure
    from fallline.report.figure_files import write_figures
    from fallline.report.page import write_report
    from fallline.report.terminal import shown


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'fallline.report' has no attribute {name!r}")
