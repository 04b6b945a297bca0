"""The forecast of a study: time, memory and disk of each cohort, before anything trains."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fallline.engine.memory_use import resident_bytes
from fallline.forecast import Calibration, calibrate
from fallline.forecast.calibration import recall
from fallline.forecast.plan_cache import KnownPlan, plan_path, recall_plan, remember_plan
from fallline.forecast.prediction import Prediction, predict
from fallline.study import Study
from fallline.training.cohort_reasons import reasons

if TYPE_CHECKING:
    import polars as pl

    from fallline.forecast.trial_run import TrialRun
    from fallline.study.plan import PlannedCohort
    from fallline.training.cohort import CompiledCohort

TRACING_SECONDS = 0.5
"""The time of tracing after which programs that differ only in batch width are interpolated."""


@dataclass(frozen=True)
class CohortForecast:
    """One cohort: what it is, ``why`` it is separate from others (empty where there is only one), its prediction, and
    where it was ``tried`` its measurement."""

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
    tried: TrialRun | None = None

    @property
    def row(self) -> dict[str, Any]:
        """All fields as plain values, including those of the prediction."""
        row = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in ("predicted", "tried")}
        row["batch_size"] = None if self.batch_size is None else str(self.batch_size)
        measured = (
            {}
            if self.tried is None
            else {"measured_seconds": self.tried.seconds, "measured_memory_bytes": self.tried.memory_bytes}
        )
        return (
            row | {name: value for name, value in self.predicted.as_dict().items() if name != "memory_parts"} | measured
        )


@dataclass(frozen=True)
class Forecast:
    """The forecast of a study on ``calibration.device``. ``process_bytes`` is the memory of this process before
    planning
    (None where it is unknown); a cohort's memory is in addition to it. ``compile_seconds`` is the approximate compile
    time of new programs; ``planned_seconds`` the time of the forecast itself, without calibration.
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
        """The largest memory of a cohort."""
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
        """Wall-clock seconds of training and evaluation, or their bounds ``seconds_low`` and ``seconds_high``. Blocks
        share
        the cores, so that it is less than the sum over cohorts. Compiling, writing and the report are not included."""
        total = 0.0
        for workers in {cohort.workers for cohort in self.cohorts}:
            cohorts = [cohort for cohort in self.cohorts if cohort.workers == workers]
            jobs = sum(cohort.blocks for cohort in cohorts)
            longest = max(getattr(cohort.predicted, which) / cohort.blocks for cohort in cohorts)
            work = sum(getattr(cohort.predicted, which) for cohort in cohorts)
            total += max(longest, work / min(workers, jobs))
        return total

    @property
    def frame(self) -> pl.DataFrame:
        """One row per cohort."""
        import polars as pl

        return pl.DataFrame([cohort.row for cohort in self.cohorts], infer_schema_length=None)

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        calibration = self.calibration
        return {
            "study": self.study,
            "device": calibration.device,
            "rates": calibration.source,
            "product_flops": calibration.product_flops,
            "memory_bytes_per_second": calibration.memory_bytes_per_second,
            "trials": self.trials,
            "flops": self.flops,
            "seconds": self.seconds(),
            "seconds_low": self.seconds("seconds_low"),
            "seconds_high": self.seconds("seconds_high"),
            "memory_bytes": self.memory_bytes,
            "memory_low": self.memory_low,
            "memory_high": self.memory_high,
            "compile_seconds": self.compile_seconds,
            "process_bytes": self.process_bytes,
            "disk_bytes": self.disk_bytes,
            "planned_seconds": self.planned_seconds,
            "cohorts": [cohort.row | {"memory_parts": cohort.predicted.memory_parts} for cohort in self.cohorts],
        }


def forecast_study(
    study: Study,
    folder: Path | None = None,
    device: str | None = None,
    compile_all: bool = False,
    measure: bool = False,
    calibrate_again: bool = False,
    on_message: Callable[[str], None] | None = None,
) -> Forecast:
    """Forecast ``study`` without training it. ``folder`` holds full data sets, ``device`` names a device that is not
    present.

    Nothing is compiled without ``compile_all``: counts of programs come from an earlier plan or run, or are estimated
    before optimisation. A study that was planned here before is not even traced. A device without a calibration is
    calibrated once, which takes a second or two; with ``calibrate_again`` again. With ``measure`` every cohort is
    trained
    briefly, each in a process of its own. ``on_message`` is called before what takes time. StudyError, DataError and
    ModelError for an invalid study, UnknownName where there is no data sheet of ``device``.
    """
    begun = time.perf_counter()
    path = plan_path(study, folder)
    known = None if compile_all else recall_plan(path)
    if known is None:
        known = _plan_again(study, folder, compile_all, calibrates=calibrate_again or device is None)
        remember_plan(path, known)
    planned_at = time.perf_counter()
    calibration = _calibration(known, device, calibrate_again, on_message)  # after errors of the study were raised
    begun += time.perf_counter() - planned_at
    predicted = {}
    for _, outline in known.cohorts:
        if id(outline) not in predicted:
            predicted[id(outline)] = predict(outline, calibration)
    cohorts = tuple(CohortForecast(**facts, predicted=predicted[id(outline)]) for facts, outline in known.cohorts)
    took = time.perf_counter() - begun
    if measure:
        cohorts = tuple(_with_trial(study, folder, number, cohort, on_message) for number, cohort in enumerate(cohorts))
    return Forecast(study.name, calibration, cohorts, known.process_bytes, known.compile_seconds, took)


def _calibration(
    known: KnownPlan, device: str | None, again: bool, on_message: Callable[[str], None] | None
) -> Calibration:
    """The calibration of this machine's device, from disk without asking JAX where possible, or of the named device."""
    kept = None if again or device is not None else recall(known.device)
    return kept or calibrate(device, again, on_message)


def _plan_again(study: Study, folder: Path | None, compile_all: bool, calibrates: bool) -> KnownPlan:
    """Prepare every cohort as shapes and count its programs; meanwhile XLA compiles the exercises of a calibration,
    where there is none.
    """
    from fallline.engine.devices import device_name, prepare_jax
    from fallline.forecast.cohorts import outlines
    from fallline.forecast.counting import Counting
    from fallline.study.plan import plan
    from fallline.training.declared_arrays import PlanningContext

    prepare_jax()
    before = resident_bytes()
    setup = PlanningContext(study, folder)
    setup.check()
    if calibrates and recall() is None:
        from fallline.forecast.measuring import compiled

        compiled()
    planned = plan(setup.trials, setup.most_lanes)
    by_cost: dict[tuple[Any, ...], CompiledCohort] = {}
    for cohort in planned:
        key = _cost_key(cohort)
        if key not in by_cost:
            by_cost[key] = setup.make(cohort)
    ready = [by_cost[_cost_key(cohort)] for cohort in planned]
    counting = Counting(compile_all, time.perf_counter() + TRACING_SECONDS)
    outlined = outlines(ready, counting, study.time_alone)
    facts = (_facts(*each) for each in zip(planned, ready, reasons(planned), strict=True))
    return KnownPlan(device_name(), tuple(zip(facts, outlined, strict=True)), before, counting.compile_seconds)


def _with_trial(
    study: Study, folder: Path | None, number: int, cohort: CohortForecast, on_message: Callable[[str], None] | None
) -> CohortForecast:
    from fallline.forecast.trial_run import TRIED_SECONDS, try_cohort

    if on_message is not None:
        on_message(f"measuring cohort {cohort.name}")
    each = cohort.predicted.step_seconds
    steps = cohort.steps if not each else max(1, min(cohort.steps, int(TRIED_SECONDS / each)))
    return replace(cohort, tried=try_cohort(study, folder, number, steps))


def _cost_key(planned: PlannedCohort) -> tuple[Any, ...]:
    """Equal for cohorts that cost the same: everything but the values of hyperparameters and seeds."""
    from fallline.study.recipe_fields import fields_of_a_program
    from fallline.training.callbacks import LearningRates

    recipe, first = planned.recipe, planned.trials[0][0]
    recipes = [recipe for segment in planned.segments for recipe in segment.recipes]
    return (
        planned.task.name,
        first.cut,
        planned.data,
        recipe.loss.name,
        fields_of_a_program(recipe),
        planned.evaluate_every,
        planned.record_every,
        len(planned.seeds),
        tuple((segment.optimizer.name, len(segment.recipes)) for segment in planned.segments),
        frozenset[str]().union(*(recipe.regularisers for recipe in recipes)),
        any(map(LearningRates.needed, recipes)),
    )


def _facts(planned: PlannedCohort, ready: CompiledCohort, why: str) -> dict[str, Any]:
    """The fields of a ``CohortForecast`` besides its prediction."""
    from fallline.forecast.cohorts import layout_in_words

    budget, layout = ready.budget, ready.layout
    size = budget["batch_size"]
    return {
        "name": planned.name,
        "task": planned.task.name,
        "why": why,
        "trials": planned.lanes * len(planned.seeds),
        "lanes": planned.lanes,
        "seeds": len(planned.seeds),
        "blocks": len(ready.blocks()),
        "steps": planned.recipe.steps,
        "batch_size": size,
        "epochs": budget["epochs"],
        "weights": ready.weights,
        "workers": layout.workers,
        "layout": layout_in_words(layout),
    }
