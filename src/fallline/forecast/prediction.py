"""Predicting memory, time, disk and the bound of a cohort, from counts of its programs and a calibration."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

from fallline.forecast.costs import Costs
from fallline.forecast.experience import Correction, correction, kind
from fallline.forecast.laws import bound, step_seconds
from fallline.forecast.rates import Calibration

How = Literal["compiled", "by law"]

UNSURE = {"compiled": 1.35, "by law": 2.0}
"""The factor in either direction within which the true time lies, beyond the calibration's own spread."""

UNSURE_MEMORY = {"compiled": 0.1, "by law": 0.35}
"""The relative error of predicted memory, in either direction."""

PAGED_BYTES = 2**26
"""Temporary memory of a program above which the CPU's allocator returns it to the system after every call: the limit of
glibc's arenas of threads."""

SCRATCH_SHARE = 0.25
"""The memory of matmul libraries, as a share of a program's temporary memory."""

VALUE_BYTES, VALUE_BYTES_WRITTEN = 4.0, 12.0
"""Bytes per value of a curve while its block trains, and with its copies while it is written to a file."""

CELL_BYTES = 5.0
"""Disk bytes per value of a curve; float32 noise compresses badly."""


@dataclass(frozen=True)
class Held:
    """Bytes of a program: arguments, outputs, temporary memory; ``alias`` is shared by arguments and outputs."""

    arguments: int
    outputs: int
    temporary: int
    alias: int

    @property
    def beyond(self) -> int:
        """The bytes that running it needs besides its arguments."""
        return self.outputs + self.temporary - self.alias


@dataclass(frozen=True)
class CohortShape:
    """What a cohort's run consists of. ``jobs`` are its blocks; ``at_once`` blocks run concurrently, of this cohort or
    others.

    A block takes ``steps`` steps, ``dispatch`` of them per dispatch, and evaluates ``evaluations`` times in ``batches``
    dispatches each; at the end ``last_evaluations`` more splits are evaluated in ``last_batches`` dispatches. ``share``
    is the mean batch size relative to the width of the program. ``call`` and ``evaluation`` are the number of arrays
    among arguments and results of a dispatch of training and of evaluation, and of those that are fetched.
    ``state_bytes`` is the state of a block's lanes, ``start_bytes`` their initial weights, which are kept as well;
    ``data_bytes`` the examples on host and device; ``rows`` of ``columns`` values are the curves of the blocks,
    ``disk_bytes`` everything else on disk.
    """

    jobs: int
    at_once: int
    steps: int
    dispatch: int
    evaluations: int
    batches: int
    last_batches: int
    last_evaluations: int
    share: float
    call: tuple[int, int]
    evaluation: tuple[int, int]
    state_bytes: int
    start_bytes: int
    data_bytes: int
    rows: int
    columns: int
    disk_bytes: float


@dataclass(frozen=True)
class Outline:
    """Everything but the device that a cohort's prediction follows from: the shape of its run, and costs and memory of
    its largest ``step`` and of a batch of evaluation (``evaluation``, None where nothing is held out). ``machinery`` is
    the memory that tracing and compiling leave behind, ``concurrent`` says that programs run on the other cores too;
    ``programs`` are the names of the two programs, where they have any.
    """

    shape: CohortShape
    step: Costs
    step_held: Held
    evaluation: Costs | None
    evaluation_held: Held | None
    how: How
    machinery: float
    concurrent: bool
    programs: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class Prediction:
    """The prediction of one cohort. ``flops_a_step`` are multiplications and additions of one program's step, ``flops``
    of the whole cohort; ``memory_bytes`` is the memory in addition to a process with its packages loaded, in total and
    by parts; ``seconds`` of training and evaluation is the sum over blocks, None without a calibration. ``low`` and
    ``high`` bound the likely range. ``bound`` names what takes most of a step, ``bound_share`` how much. ``how``: from
    the compiled program, or by law from the program before optimisation. ``at_once`` blocks share the device, whose
    matmul throughput is ``product_flops``; ``rates`` says where that is from. ``law`` holds what measured times are
    compared with, for the step and the evaluation: the kind of program, its name, and its seconds by the cost model
    alone (per step including its share of a dispatch, and of all evaluations of a block); ``observed`` is the number of
    runs that corrected it.
    """

    how: How
    flops_a_step: float
    flops: float
    step_seconds: float | None
    seconds: float | None
    seconds_low: float | None
    seconds_high: float | None
    evaluate_seconds: float | None
    block_seconds: float | None
    memory_bytes: float
    memory_low: float
    memory_high: float
    memory_parts: dict[str, float]
    disk_bytes: float
    bound: str | None
    bound_share: float | None
    at_once: int
    product_flops: float | None
    rates: str | None
    law: dict[str, dict[str, Any]]
    observed: int

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for plan.json and JSON."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def predict(outline: Outline, calibration: Calibration | None) -> Prediction:
    """The prediction of a cohort on a device; without a calibration no times."""
    shape, step = outline.shape, outline.step
    flops = step.floating_operations * shape.steps * shape.share * shape.jobs
    memory, parts = _memory(shape, outline.step_held, outline.evaluation_held, outline.machinery)
    off = UNSURE_MEMORY[outline.how]
    disk = shape.rows * shape.columns * CELL_BYTES + shape.disk_bytes
    time = _Seconds() if calibration is None else _time(outline, calibration, parts["programs"] + parts["states"])
    return Prediction(
        outline.how,
        step.floating_operations,
        flops,
        time.step,
        time.whole,
        time.low,
        time.high,
        time.evaluating,
        time.block,
        memory,
        memory * (1 - off),
        memory * (1 + off),
        parts,
        disk,
        time.bound,
        time.bound_share,
        shape.at_once,
        None if calibration is None else calibration.product_flops,
        None if calibration is None else calibration.source,
        time.law,
        time.observed,
    )


@dataclass(frozen=True)
class _Seconds:
    """Seconds of one step, of a block's evaluation, of a block, and of all blocks including what happens once."""

    step: float | None = None
    evaluating: float | None = None
    block: float | None = None
    whole: float | None = None
    low: float | None = None
    high: float | None = None
    bound: str | None = None
    bound_share: float | None = None
    law: dict[str, dict[str, Any]] = field(default_factory=dict)
    observed: int = 0


def _time(outline: Outline, calibration: Calibration, new_bytes: float) -> _Seconds:
    """The times by the cost model, corrected by earlier runs of such programs."""
    shape, step = outline.shape, outline.step
    evaluation, concurrent = outline.evaluation, outline.concurrent
    host, first = (calibration.beside if concurrent else calibration.alone).host, calibration.alone.host
    unsure = UNSURE[outline.how] if calibration.measured else 1 + calibration.spread
    each = step_seconds(step, calibration, concurrent) * shape.share
    calls = math.ceil(shape.steps / shape.dispatch)
    calling = calls * (host.seconds(*shape.call) + _paging(outline.step_held, calibration))
    training = each * shape.steps + calling
    law = {
        "step": {
            "kind": kind("step", step, concurrent),
            "program": outline.programs[0],
            "seconds": training / shape.steps,
        }
    }
    seen = correction(calibration.observed, law["step"]["kind"], outline.programs[0], unsure)
    evaluated, evaluating = Correction(unsure=unsure), 0.0
    once = first.first_seconds(shape.call[0]) + calibration.page_byte * new_bytes
    if evaluation is not None:
        batch = step_seconds(evaluation, calibration, concurrent) + host.seconds(*shape.evaluation)
        batch += 0.0 if outline.evaluation_held is None else _paging(outline.evaluation_held, calibration)
        evaluating = (shape.evaluations * shape.batches + shape.last_batches) * batch
        evaluating += host.evaluation * (shape.evaluations + shape.last_evaluations)
        once += first.first_seconds(shape.evaluation[0])
        law["evaluation"] = {
            "kind": kind("evaluation", evaluation, concurrent),
            "program": outline.programs[1],
            "seconds": evaluating,
        }
        evaluated = correction(calibration.observed, law["evaluation"]["kind"], outline.programs[1], unsure)
    training, evaluating = seen.factor * training, evaluated.factor * evaluating
    spans = ((training * shape.jobs, seen.unsure), (evaluating * shape.jobs, evaluated.unsure), (once, unsure))
    what, share = bound(step, calibration, host.seconds(*shape.call) / shape.dispatch)
    return _Seconds(
        seen.factor * each,
        evaluating,
        training + evaluating,
        sum(seconds for seconds, _ in spans),
        sum(seconds / off for seconds, off in spans),
        sum(seconds * off for seconds, off in spans),
        what,
        share,
        law,
        seen.runs,
    )


def _paging(held: Held, calibration: Calibration) -> float:
    """Seconds per call for new memory pages of its temporary arrays."""
    return calibration.page_byte * held.temporary if held.temporary > PAGED_BYTES else 0.0


def _memory(
    shape: CohortShape, step: Held, evaluation: Held | None, machinery: float
) -> tuple[float, dict[str, float]]:
    """The peak memory and its parts: running programs or, where that is more, records being written at the end of a
    block; states of waiting blocks, examples, machinery.
    """
    at_once, blocks = shape.at_once, max(1, shape.jobs)
    working = max(step.beyond, 0 if evaluation is None else evaluation.beyond)
    waiting = shape.state_bytes + shape.start_bytes
    programs, values = (at_once + SCRATCH_SHARE) * working, shape.rows * shape.columns / blocks * at_once
    training, writing = programs + values * VALUE_BYTES, values * VALUE_BYTES_WRITTEN
    records = (
        {"programs": 0.0, "records": writing}
        if writing > training
        else {"programs": programs, "records": values * VALUE_BYTES}
    )
    parts = records | {"states": float(at_once * waiting), "examples": float(shape.data_bytes), "machinery": machinery}
    return sum(parts.values()), parts
