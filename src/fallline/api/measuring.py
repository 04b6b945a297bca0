"""Measurements of devices: what more of them buy for a study, and how well one is used at each batch size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fallline.api.requests import chosen_study, default_folder

if TYPE_CHECKING:
    import polars as pl

    from fallline.report.scaling import Scaled
    from fallline.study import Study


def measure_scaling(
    study: Study | str | Path,
    devices: Sequence[int | str] | str | None = None,
    out: str | Path | None = None,
    *,
    preset: str | None = None,
    data: str | Path | None = None,
    batch_sizes: Sequence[int] | None = None,
    repeats: int | None = None,
    seconds: float | None = None,
    on_message: Callable[[str], None] | None = None,
    on_program: Callable[[str], None] | None = None,
    command: str = "",
) -> Scaled:
    """Measure the training steps of ``study`` on each count of ``devices``: one batch split over them, one batch on
    each, and one trial on each.

    ``devices`` are counts such as 4, or "2x3" for two hosts with three devices each; one device is always measured.
    Every count is measured in its own processes, on a CPU with its cores divided. ``batch_sizes`` defaults to those of
    the study. Each program is timed ``repeats`` times for about ``seconds`` each. What the folder ``out``
    (``runs/NAME-scale``) already holds is not measured again. ``on_message`` is called with one line per count of
    devices, ``on_program`` with one per program. StudyError for more devices than there are, or a batch that cannot be
    measured.
    """
    from fallline.report.scaling import Scaled
    from fallline.scaling.run import ScaleRequest
    from fallline.scaling.run import measure_scaling as measured

    study = chosen_study(study, preset)
    request = ScaleRequest.of(study, devices, batch_sizes, repeats, seconds)
    folder = Path(out) if out is not None else Path(f"{default_folder(study, preset)}-scale")
    data_folder = None if data is None else Path(data)
    return Scaled.open(measured(study, folder, request, data_folder, on_message, on_program, command))


def measure_utilisation(
    task: Any,
    batches: Sequence[int] | None = None,
    *,
    optimizer: Any = "adam",
    data: str = "sample",
    folder: str | Path | None = None,
    on_message: Callable[[str], None] | None = None,
) -> pl.DataFrame:
    """How well this device is used by training ``task``: one row per batch size (1 to 4,096 by default).

    One lane trains alone for a moment at each size. The columns are those of ``fallline.forecast.utilisation``;
    ``data`` is "sample" or "full", ``folder`` holds full data sets. StudyError, UnknownName and DataError say what is
    wrong.
    """
    from fallline.forecast.utilisation import BATCHES
    from fallline.forecast.utilisation import utilisation as measured

    return measured(task, batches or BATCHES, optimizer, data, None if folder is None else Path(folder), on_message)
