"""What is predicted of a cohort, from counts of its programs and a calibration: memory, time, disk, what bounds it."""

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
"""By which factor the true time may lie on either side, beyond the calibration's own spread."""

UNSURE_MEMORY = {"compiled": 0.1, "by law": 0.35}
"""By which share the true memory may lie on either side."""

PAGED_BYTES = 2**26
"""Temporary memory of a program from which a CPU's allocator gives it back after every call, and takes it anew: what
glibc's arenas of threads hold at most."""

SCRATCH_SHARE = 0.25
"""What the libraries of products hold for themselves, of what a program needs meanwhile."""

VALUE_BYTES, VALUE_BYTES_WRITTEN = 4.0, 12.0
"""A value of a curve while its block trains, and on its way to its file, with the copies of it."""

CELL_BYTES = 5.0
"""Disk of a value of a curve, packed; float32 noise packs badly."""


@dataclass(frozen=True)
class Held:
    """Bytes that a program holds: what it is given, what it gives, what it needs meanwhile; ``alias`` is in both."""

    arguments: int
    outputs: int
    temporary: int
    alias: int

    @property
    def beyond(self) -> int:
        """What running it adds to its arguments."""
        return self.outputs + self.temporary - self.alias


@dataclass(frozen=True)
class CohortShape:
    """What a cohort's run consists of. ``jobs`` are blocks; ``at_once`` run side by side, of this cohort or others.

    A block takes ``steps``, so many a ``dispatch``, and evaluates ``evaluations`` times in ``batches`` dispatches,
    ``last_evaluations`` splits in ``last_batches`` more at the end. ``share`` is the examples a step sees of those it
    has room for. ``call`` and ``evaluation`` are the arrays that a dispatch and one of evaluation take and give, and
    fetch. ``state_bytes`` is what a block's lanes carry from step to step, ``start_bytes`` their first weights, kept
    besides; ``data_bytes`` the examples on host and device; ``rows`` of ``columns`` values are what the blocks' curves
    come to, ``disk_bytes`` what else is kept.
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
    """All that a cohort's prediction follows from but the device: what its run consists of, what the largest ``step``
    and a batch of evaluation (``evaluation``, None where nothing is held out) do and hold. ``machinery`` is what
    tracing and compiling leave behind, ``beside`` says that other programs run on the other cores; ``programs`` name
    the two programs, where they are known by name.
    """

    shape: CohortShape
    step: Costs
    step_held: Held
    evaluation: Costs | None
    evaluation_held: Held | None
    how: How
    machinery: float
    beside: bool
    programs: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class Prediction:
    """Of one cohort. ``flops_a_step`` are multiplications and additions of one program's step, ``flops`` of the whole
    cohort; ``memory_bytes`` what it adds to a process that has its packages loaded, with its parts; ``seconds`` of
    training and evaluation, the sum over blocks of what each takes, None without a calibration. ``low`` and ``high``
    bound what is likely. ``bound`` names what takes most of a step, ``bound_share`` how much. ``how``: from the
    compiled program, or by law from what it was made of. ``at_once`` blocks share the device, whose rate of products is
    ``product_flops``, and ``rates`` says where that is from. ``law`` holds, for the step and the evaluation, what a
    run's own times are held against: the kind of program, its name, and its seconds by the law alone, of one step with
    its share of a dispatch and of all evaluation of a block; ``observed`` is how many runs have corrected it.
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
    """The prediction of a cohort on a device; without a calibration of one no time."""
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
    """Seconds of one step by itself, of a block's evaluation, of a block, of all blocks with what happens once."""

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
    """What the law says, corrected by what runs of such programs took before."""
    shape, step, evaluation, beside = outline.shape, outline.step, outline.evaluation, outline.beside
    host, first = (calibration.beside if beside else calibration.alone).host, calibration.alone.host
    unsure = UNSURE[outline.how] if calibration.measured else 1 + calibration.spread
    each = step_seconds(step, calibration, beside) * shape.share
    calls = math.ceil(shape.steps / shape.dispatch)
    calling = calls * (host.seconds(*shape.call) + _paging(outline.step_held, calibration))
    training = each * shape.steps + calling
    law = {
        "step": {"kind": kind("step", step, beside), "program": outline.programs[0], "seconds": training / shape.steps}
    }
    seen = correction(calibration.observed, law["step"]["kind"], outline.programs[0], unsure)
    evaluated, evaluating = Correction(unsure=unsure), 0.0
    once = first.first_seconds(shape.call[0]) + calibration.page_byte * new_bytes
    if evaluation is not None:
        batch = step_seconds(evaluation, calibration, beside) + host.seconds(*shape.evaluation)
        batch += 0.0 if outline.evaluation_held is None else _paging(outline.evaluation_held, calibration)
        evaluating = (shape.evaluations * shape.batches + shape.last_batches) * batch
        evaluating += host.evaluation * (shape.evaluations + shape.last_evaluations)
        once += first.first_seconds(shape.evaluation[0])
        law["evaluation"] = {
            "kind": kind("evaluation", evaluation, beside),
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
    """Seconds of a call that go into new pages for its temporary memory."""
    return calibration.page_byte * held.temporary if held.temporary > PAGED_BYTES else 0.0


def _memory(
    shape: CohortShape, step: Held, evaluation: Held | None, machinery: float
) -> tuple[float, dict[str, float]]:
    """Bytes at the peak, and of what: programs at work or, where they are more, records on their way to their files,
    which are written when a block is done; states that wait, examples, machinery.
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
