"""What Python users call: run a study, open its folder, get frames, figures and a report; measure devices.

Each name is imported when it is first used, so that ``import fallline.api`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "Result": "fallline.api.result",
    "open_run": "fallline.api.result",
    "run": "fallline.api.running",
    "Forecast": "fallline.forecast.study",
    "Jobs": "fallline.api.launching",
    "jobs": "fallline.api.launching",
    "launch": "fallline.api.launching",
    "plan_study": "fallline.api.forecasting",
    "measure_scaling": "fallline.api.measuring",
    "measure_utilisation": "fallline.api.measuring",
    "repair_run": "fallline.api.integrity",
    "verify": "fallline.api.integrity",
    "default_folder": "fallline.api.requests",
    "StudyCheck": "fallline.api.checking",
    "check_study": "fallline.api.checking",
    "new_study": "fallline.api.study_text",
    "predict": "fallline.api.predicting",
    "tune": "fallline.api.tuning",
    "RunSummary": "fallline.api.runs",
    "list_runs": "fallline.api.runs",
    "cite": "fallline.api.citing",
    "style": "fallline.report.matplotlib_style",
}

__all__ = [
    "Forecast",
    "Jobs",
    "Result",
    "RunSummary",
    "StudyCheck",
    "check_study",
    "cite",
    "default_folder",
    "jobs",
    "launch",
    "list_runs",
    "measure_scaling",
    "measure_utilisation",
    "new_study",
    "open_run",
    "plan_study",
    "predict",
    "repair_run",
    "run",
    "style",
    "tune",
    "verify",
]

if TYPE_CHECKING:
    from fallline.api.checking import StudyCheck, check_study
    from fallline.api.citing import cite
    from fallline.api.forecasting import plan_study
    from fallline.api.integrity import repair_run, verify
    from fallline.api.launching import Jobs, jobs, launch
    from fallline.api.measuring import measure_scaling, measure_utilisation
    from fallline.api.predicting import predict
    from fallline.api.requests import default_folder
    from fallline.api.result import Result, open_run
    from fallline.api.running import run
    from fallline.api.runs import RunSummary, list_runs
    from fallline.api.study_text import new_study
    from fallline.api.tuning import tune
    from fallline.forecast.study import Forecast
    from fallline.report.matplotlib_style import style


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'fallline.api' has no attribute {name!r}")
