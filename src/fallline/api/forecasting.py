"""What a study would take, before it trains."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fallline.api.requests import chosen_study

if TYPE_CHECKING:
    from fallline.forecast.study import Forecast
    from fallline.study import Study


def plan_study(
    study: Study | str | Path,
    *,
    preset: str | None = None,
    data: str | Path | None = None,
    device: str | None = None,
    compile_all: bool = False,
    measure: bool = False,
    calibrate_again: bool = False,
    on_message: Callable[[str], None] | None = None,
) -> Forecast:
    """What ``study`` would take: cohorts, FLOPs, memory, time and disk, each as a range.

    Programs that no run has compiled yet are estimated from formulas; ``compile_all`` compiles them. The first forecast
    on a device calibrates it, which takes a second or two. ``device`` names one that is not here ("h100"): its figures
    are those of its data sheet. ``measure`` trains every cohort for a moment, each in its own process.
    ``calibrate_again`` measures this device again. ``on_message`` is called with a line about each slow step.
    StudyError, DataError and ModelError say what is wrong.
    """
    from fallline.forecast.study import forecast_study

    return forecast_study(
        chosen_study(study, preset),
        None if data is None else Path(data),
        device,
        compile_all,
        measure,
        calibrate_again,
        on_message,
    )
