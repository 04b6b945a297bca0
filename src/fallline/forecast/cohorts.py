"""Forecasting cohorts from counts of what their programs do."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fallline.engine.devices import planned_devices, prepare_jax
from fallline.engine.program import Layout
from fallline.forecast.calibration import recall, refine
from fallline.forecast.count_cache import Counted
from fallline.forecast.counting import Counting, names_of, note_compiling
from fallline.forecast.experience import Observation
from fallline.forecast.memory import machinery_bytes
from fallline.forecast.prediction import CohortShape, Held, How, Outline, Prediction, predict
from fallline.forecast.rates import Calibration
from fallline.training.cohort import CompiledCohort
from fallline.training.declared_arrays import DeclaredArrays
from fallline.training.outputs import MOST_EXAMPLES, outputs_width
from fallline.training.validation import splits_of

if TYPE_CHECKING:
    from fallline.store.writing import RunWriter

LEAST_SECONDS = 2e-3
"""The shortest measured time of a block that is used: below it the clock's jitter dominates."""

FOLDER_BYTES, BLOCK_BYTES = 30_000, 12_000
"""Disk space of a run folder without records, and of a block's files without rows."""


def predict_all(cohorts: Sequence[CompiledCohort], calibration: Calibration | None) -> list[Prediction]:
    """Predictions for cohorts that will train in one process; their programs are compiled for it."""
    return [predict(outline, calibration) for outline in outlines(cohorts, Counting())]


def outlines(cohorts: Sequence[CompiledCohort], counting: Counting, time_alone: bool = False) -> list[Outline]:
    """What the predictions of cohorts that train in one process are computed from; cohorts with the same number of
    workers share the cores. With ``time_alone`` one trial of each is timed alone first. A cohort may occur several
    times, in place of others that cost the same.
    """
    steps = [counting.step(ready) for ready in cohorts]
    evaluations = [counting.evaluation(ready) for ready in cohorts]
    lengths = {}  # of the HLO texts by program, once where cohorts share it: one step program per batch width
    for ready, step, evaluation in zip(cohorts, steps, evaluations, strict=True):
        lengths[ready.program] = [step.text_length] * len(ready.widths) + (
            [] if evaluation is None else [evaluation.text_length]
        )
    alone = (
        [step.text_length for step in steps] if time_alone else []
    )  # a trial that is timed alone has programs of its own
    all_lengths = [*alone, *(length for of_program in lengths.values() for length in of_program)]
    machinery = machinery_bytes(len(cohorts) + len(alone), all_lengths, any(evaluations))
    examples = sum({id(ready.arrays): _example_bytes(ready) for ready in cohorts}.values())
    jobs: dict[int, int] = {}
    for ready in cohorts:
        jobs[ready.layout.workers] = jobs.get(ready.layout.workers, 0) + len(ready.blocks())
    by_cohort: dict[int, Outline] = {}
    for ready, step, evaluation in zip(cohorts, steps, evaluations, strict=True):
        if id(ready) in by_cohort:
            continue
        blocks = jobs[ready.layout.workers]
        concurrent = ready.layout.workers > 1 and blocks > 1
        how: How = (
            "compiled" if step.held is not None and (evaluation is None or evaluation.held is not None) else "by law"
        )
        by_cohort[id(ready)] = Outline(
            _shape(ready, examples, blocks, step, evaluation),
            step.costs,
            step.held or _step_by_law(ready, step),
            None if evaluation is None else evaluation.costs,
            None if evaluation is None else evaluation.held or _evaluation_by_law(evaluation),
            how,
            machinery,
            concurrent,
            names_of(ready),
        )
    return [by_cohort[id(ready)] for ready in cohorts]


def before_training(cohorts: Sequence[CompiledCohort], time_alone: bool = False) -> list[dict[str, Any] | None]:
    """The predictions of a run as plain values. Nothing is compiled or measured for them, and nothing is traced that
    training does not use: times are predicted only where the device was calibrated before. None for cohorts that train
    on another machine or on several devices.
    """
    if not _predictable(cohorts):
        return [None] * len(cohorts)
    known = recall()
    return [predict(outline, known).as_dict() for outline in outlines(cohorts, Counting(compiles=False), time_alone)]


def learn_from(writer: RunWriter, work: Sequence[tuple[CompiledCohort, Sequence[tuple[str, Any]]]]) -> None:
    """Let later forecasts learn from cohorts that trained here, each with the names of its blocks: the counts of their
    programs, which are compiled now, the compile times, and the measured seconds of steps and evaluations. Nothing
    where the device was never calibrated, or nothing was predicted.
    """
    known, cohorts = recall(), [ready for ready, _ in work]
    if known is None or not _predictable(cohorts):
        return
    observations: list[Observation] = []
    for (ready, blocks), outline in zip(work, outlines(cohorts, Counting(compiles=False)), strict=True):
        note_compiling(ready)
        paths = [path for name, _ in blocks if (path := writer.paths.timing(name)).is_file()]
        timings = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
        observations += _observed(predict(outline, known).law, timings)
    refine(observations)


def _predictable(cohorts: Sequence[CompiledCohort]) -> bool:
    """Whether the cohorts train on one device of this machine."""
    return planned_devices() is None and all(ready.mesh.devices == 1 for ready in cohorts)


def _observed(law: dict[str, dict[str, Any]], timings: Sequence[dict[str, Any]]) -> list[Observation]:
    """The predicted and the measured seconds (medians over blocks) of a cohort's step and evaluation."""
    steps = [
        timing["steady_seconds"] / timing["steady_steps"]
        for timing in timings
        if timing["steady_steps"] and timing["steady_seconds"] > LEAST_SECONDS
    ]
    evaluations = [timing["evaluate_seconds"] for timing in timings if timing["evaluate_seconds"] > LEAST_SECONDS]
    return [
        Observation(law[part]["kind"], law[part]["program"], law[part]["seconds"], statistics.median(measured))
        for part, measured in (("step", steps), ("evaluation", evaluations))
        if part in law and measured
    ]


def _step_by_law(ready: CompiledCohort, step: Counted) -> Held:
    """The memory of a step that was not compiled: its gradient, and the results of its matmuls, kept for
    backpropagation.
    """
    weights = 4 * ready.weights * ready.planned.lanes * ready.layout.seeds
    products = sum(
        4 * count * product.batch * product.rows * product.columns for count, product in step.costs.threaded.products
    )
    return Held(0, 0, int(weights + products), 0)


def _evaluation_by_law(evaluation: Counted) -> Held:
    """The memory of an evaluation that was not compiled: operands and result of its largest matmul, since nothing is
    kept.
    """
    sizes = (
        4 * product.batch * product.rows * (product.inner + product.columns)
        for _, product in evaluation.costs.threaded.products
    )
    return Held(0, 0, max(sizes, default=0), 0)


def _example_bytes(ready: CompiledCohort) -> int:
    """The bytes of a task's examples on host and device; once where CPU programs use the host's arrays."""
    host = [array for split in splits_of(ready.arrays.splits).values() for array in split]
    train, held = ready.examples
    batches = [split.batches for split in held.values()]
    if isinstance(ready.arrays, DeclaredArrays):  # declared arrays have no address
        device = _leaves((batches,) if prepare_jax().default_backend() == "cpu" else (train, batches))
    else:
        addresses = {array.ctypes.data for array in host if isinstance(array, np.ndarray)}
        device = [leaf for leaf in _leaves((train, batches)) if _address(leaf) not in addresses]
    return sum(array.nbytes for array in host) + sum(map(_bytes, device))


def _address(leaf: Any) -> int | None:
    """The address of an array on one device; None on several."""
    try:
        return int(leaf.unsafe_buffer_pointer())
    except (AttributeError, ValueError, RuntimeError):
        return None


def _shape(
    ready: CompiledCohort, examples: int, blocks_of_workers: int, step: Counted, evaluation: Counted | None
) -> CohortShape:
    """What the run of a cohort consists of; ``examples`` are the bytes of all tasks, ``blocks_of_workers`` the number
    of blocks that share its workers.
    """
    carried = _leaves(ready.step_shapes[0])
    planned, layout, program = ready.planned, ready.layout, ready.program
    steps, blocks = planned.recipe.steps, ready.blocks()
    longest = min(steps, planned.evaluate_every) if ready.watched else steps
    held = ready.examples[1]
    watched = sum(len(held[name].batches) for name in ready.watched)
    points = -(-steps // planned.record_every) + 1
    lanes = planned.lanes * layout.seeds
    predicted = sum(split.examples for split in held.values()) if ready.classes is not None else 0
    trials = planned.lanes * len(planned.seeds)
    with_weights = len(blocks) * len(planned.segments) if ready.keep_weights == "best" else trials
    weights = 4 * ready.weights * min(with_weights, trials) if ready.keeps_weights else 0
    outputs = _output_bytes(ready) if ready.keeps_weights else 0
    return CohortShape(
        jobs=len(blocks),
        at_once=min(layout.workers, blocks_of_workers),
        steps=steps,
        dispatch=min(layout.chunk, longest) if layout.loop else 1,
        evaluations=1 + math.ceil(steps / planned.evaluate_every) if ready.watched else 0,
        batches=watched,
        last_batches=sum(len(split.batches) for split in held.values()) - watched,
        last_evaluations=len(held) - len(ready.watched),
        share=ready.examples_seen / (steps * max(ready.widths)),
        call=(step.arguments + step.results, step.results - len(carried)),
        evaluation=(0, 0) if evaluation is None else (evaluation.arguments + evaluation.results, evaluation.results),
        state_bytes=sum(map(_bytes, carried)),
        start_bytes=4 * ready.weights * layout.seeds,
        data_bytes=examples,
        rows=points * lanes * len(blocks),
        columns=1 + len(program.cohort.metrics),
        disk_bytes=FOLDER_BYTES + BLOCK_BYTES * len(blocks) + trials * predicted + weights + outputs,
    )


def _output_bytes(ready: CompiledCohort) -> int:
    """The bytes of what the best trials give on validation: at most one configuration per optimizer, at all seeds."""
    validation, cut = ready.arrays.splits.validation, ready.planned.trials[0][0].cut
    if validation is None or (cut is not None and cut.folds is not None):
        return 0
    width = outputs_width(ready.planned.task, ready.planned.recipe.loss, ready.arrays)
    examples = min(len(validation.targets), MOST_EXAMPLES)
    return 4 * examples * width * len(ready.planned.segments) * len(ready.planned.seeds)


def _leaves(tree: Any) -> list[Any]:
    import jax

    return jax.tree.leaves(tree)


def _bytes(leaf: Any) -> int:
    return int(np.prod(leaf.shape)) * np.dtype(leaf.dtype).itemsize if hasattr(leaf, "shape") else 0


def layout_in_words(layout: Layout) -> str:
    """A layout as text."""
    seeds = f"{layout.seeds} seeds per program" if layout.seeds > 1 else "1 seed per program"
    concurrent = f", {layout.workers} programs concurrently" if layout.workers > 1 else ""
    return (
        f"{seeds}{concurrent}, {layout.chunk} steps {'per dispatch' if layout.loop else 'between returns to the host'}"
    )
