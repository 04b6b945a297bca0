"""A study's forecast: what it would take, cohort by cohort, before anything trains."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fallline.engine.devices import prepare_jax
from fallline.executors.cohort import ReadyCohort
from fallline.executors.forecasting import compile_seconds, layout_in_words, predict_all
from fallline.executors.setup import Setup
from fallline.executors.splitting import reasons
from fallline.executors.trying import TRIED_SECONDS, Tried, try_cohort
from fallline.forecast import Calibration, calibrate
from fallline.forecast.memory import resident_bytes
from fallline.forecast.prediction import Prediction
from fallline.plan import plan
from fallline.study import Study

if TYPE_CHECKING:
    import polars as pl

PLANNING_SECONDS = 4.5
"""Of planning, by when programs have to be compiled: what there is no time for is counted by law."""


@dataclass(frozen=True)
class CohortForecast:
    """One cohort: what it is, why it stands apart (empty where there is one), what is predicted of it, and where it was
    ``tried`` what was measured."""

    name: str
    task: str
    why: str
    trials: int
    lanes: int
    seeds: int
    blocks: int
    steps: int
    batch_size: int | str | None
    epochs: float
    weights: int
    workers: int
    layout: str
    predicted: Prediction
    tried: Tried | None = None

    @property
    def row(self) -> dict[str, Any]:
        """As plain values, those of the prediction beside the others."""
        own = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in ("predicted", "tried")}
        own["batch_size"] = None if self.batch_size is None else str(self.batch_size)
        measured = {} if self.tried is None else {"measured_seconds": self.tried.seconds,
                                                  "measured_memory_bytes": self.tried.memory_bytes}
        return own | {name: value for name, value in self.predicted.told.items() if name != "memory_parts"} | measured


@dataclass(frozen=True)
class Forecast:
    """What a study would take on ``calibration.device``. ``process_bytes`` is what this process held before it began to
    plan (None where the system does not tell); a cohort's memory comes on top. ``compile_seconds`` is about what the
    programs that are new take; ``planned_seconds`` what the forecast itself took, without calibrating.
    """

    study: str
    calibration: Calibration
    cohorts: tuple[CohortForecast, ...]
    process_bytes: int | None
    compile_seconds: float
    planned_seconds: float

    @property
    def trials(self) -> int:
        return sum(cohort.trials for cohort in self.cohorts)

    @property
    def flops(self) -> float:
        return sum(cohort.predicted.flops for cohort in self.cohorts)

    @property
    def memory_bytes(self) -> float:
        """Of the cohort that holds most."""
        return max((cohort.predicted.memory_bytes for cohort in self.cohorts), default=0.0)

    @property
    def memory_low(self) -> float:
        return max((cohort.predicted.memory_low for cohort in self.cohorts), default=0.0)

    @property
    def memory_high(self) -> float:
        return max((cohort.predicted.memory_high for cohort in self.cohorts), default=0.0)

    @property
    def disk_bytes(self) -> float:
        return sum(cohort.predicted.disk_bytes for cohort in self.cohorts)

    def seconds(self, which: str = "seconds") -> float:
        """Wall clock of training and evaluation, ``seconds_low`` and ``seconds_high`` its bounds: blocks share the
        cores, so it is less than the sum over cohorts. Compiling, writing and the report come on top."""
        total = 0.0
        for workers in {cohort.workers for cohort in self.cohorts}:
            own = [cohort for cohort in self.cohorts if cohort.workers == workers]
            jobs = sum(cohort.blocks for cohort in own)
            longest = max(getattr(cohort.predicted, which) / cohort.blocks for cohort in own)
            work = sum(getattr(cohort.predicted, which) for cohort in own)
            total += max(longest, work / min(workers, jobs))
        return total

    @property
    def frame(self) -> pl.DataFrame:
        """One row a cohort."""
        import polars as pl

        return pl.DataFrame([cohort.row for cohort in self.cohorts], infer_schema_length=None)

    @property
    def told(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        calibration = self.calibration
        return {"study": self.study, "device": calibration.device, "rates": calibration.source,
                "product_flops": calibration.product_flops,
                "memory_bytes_per_second": calibration.memory_bytes_per_second, "trials": self.trials,
                "flops": self.flops, "seconds": self.seconds(), "seconds_low": self.seconds("seconds_low"),
                "seconds_high": self.seconds("seconds_high"), "memory_bytes": self.memory_bytes,
                "memory_low": self.memory_low, "memory_high": self.memory_high,
                "compile_seconds": self.compile_seconds, "process_bytes": self.process_bytes,
                "disk_bytes": self.disk_bytes, "planned_seconds": self.planned_seconds,
                "cohorts": [cohort.row | {"memory_parts": cohort.predicted.memory_parts} for cohort in self.cohorts]}


def forecast_study(study: Study, folder: Path | None = None, device: str | None = None, compile_all: bool = False,
                   measure: bool = False, calibrate_again: bool = False,
                   tell: Callable[[str], None] | None = None) -> Forecast:
    """Forecast ``study``; nothing trains. ``folder`` holds full data sets, ``device`` names one that is not here.

    Programs are compiled while there is time, some seconds, and counted by law after; ``compile_all`` compiles all. A
    device that was never calibrated is measured first, once, which takes some ten seconds; so it is with
    ``calibrate_again``. With ``measure`` every cohort is tried for a moment, each in a process of its own. ``tell``
    hears of what takes time. StudyError, DataError and ModelError say what is wrong, UnknownName that there is no data
    sheet of ``device``.
    """
    prepare_jax()
    before = resident_bytes()
    begun = time.perf_counter()
    setup = Setup(study, folder)
    setup.check()
    planned = plan(setup.trials, setup.most_lanes)
    ready = [setup.make(cohort) for cohort in planned]
    ready_at = time.perf_counter()
    calibration = calibrate(device, calibrate_again, tell)  # now that what is wrong with the study was told
    begun += time.perf_counter() - ready_at
    until = None if compile_all else begun + PLANNING_SECONDS
    predicted = predict_all(ready, calibration, until, study.time_alone)
    cohorts = tuple(_told(*each) for each in zip(ready, reasons(planned), predicted, strict=True))
    compiling, took = compile_seconds(ready), time.perf_counter() - begun
    if measure:
        cohorts = tuple(_with_trial(study, folder, number, cohort, tell) for number, cohort in enumerate(cohorts))
    return Forecast(study.name, calibration, cohorts, before, compiling, took)


def _with_trial(study: Study, folder: Path | None, number: int, cohort: CohortForecast,
                tell: Callable[[str], None] | None) -> CohortForecast:
    if tell is not None:
        tell(f"measuring cohort {cohort.name}")
    each = cohort.predicted.step_seconds
    steps = cohort.steps if not each else max(1, min(cohort.steps, int(TRIED_SECONDS / each)))
    return replace(cohort, tried=try_cohort(study, folder, number, steps))


def _told(ready: ReadyCohort, why: str, predicted: Prediction) -> CohortForecast:
    planned, budget = ready.planned, ready.budget
    return CohortForecast(planned.name, planned.task.name, why, planned.lanes * len(planned.seeds), planned.lanes,
                          len(planned.seeds), len(ready.blocks()), planned.recipe.steps, budget["batch_size"],
                          budget["epochs"], ready.weights, ready.layout.workers, layout_in_words(ready.layout),
                          predicted)
