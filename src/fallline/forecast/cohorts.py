"""Forecasting cohorts: what follows from what their programs come to."""

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
from fallline.training.cohort import KEPT_WEIGHTS, CompiledCohort
from fallline.training.declared_arrays import DeclaredArrays
from fallline.training.validation import splits_of

if TYPE_CHECKING:
    from fallline.store.writing import RunWriter

LEAST_SECONDS = 2e-3
"""What a block must have measured for its times to tell more than the clock's own jitter."""

FOLDER_BYTES, BLOCK_BYTES = 30_000, 12_000
"""Disk of a run folder without records, and of a block's files without rows."""


def predict_all(cohorts: Sequence[CompiledCohort], calibration: Calibration | None) -> list[Prediction]:
    """The predictions of cohorts before they train, all in one process, from their programs, which are compiled."""
    return [predict(outline, calibration) for outline in outlines(cohorts, Counting())]


def outlines(cohorts: Sequence[CompiledCohort], counting: Counting, time_alone: bool = False) -> list[Outline]:
    """What is to be known of cohorts that train in one process; those with as many workers share the cores. With
    ``time_alone`` a trial of each is timed by itself first. A cohort may come several times: it stands for others that
    are alike.
    """
    steps = [counting.step(ready) for ready in cohorts]
    evaluations = [counting.evaluation(ready) for ready in cohorts]
    text_length = {}  # of the programs of each cohort, once where cohorts share them: a step's are a program a width
    for ready, step, evaluation in zip(cohorts, steps, evaluations, strict=True):
        text_length[ready.program] = [step.text_length] * len(ready.widths) + (
            [] if evaluation is None else [evaluation.text_length]
        )
    alone = [step.text_length for step in steps] if time_alone else []  # a trial by itself has programs of its own
    texts = [*alone, *(letter for own in text_length.values() for letter in own)]
    machinery = machinery_bytes(len(cohorts) + len(alone), texts, any(evaluations))
    examples = sum({id(ready.arrays): _example_bytes(ready) for ready in cohorts}.values())
    jobs: dict[int, int] = {}
    for ready in cohorts:
        jobs[ready.layout.workers] = jobs.get(ready.layout.workers, 0) + len(ready.blocks())
    found: dict[int, Outline] = {}
    for ready, step, evaluation in zip(cohorts, steps, evaluations, strict=True):
        if id(ready) in found:
            continue  # one that stands for several
        together = jobs[ready.layout.workers]
        beside = ready.layout.workers > 1 and together > 1
        how: How = (
            "compiled" if step.held is not None and (evaluation is None or evaluation.held is not None) else "by law"
        )
        found[id(ready)] = Outline(
            _shape(ready, examples, together, step, evaluation),
            step.costs,
            step.held or _step_by_law(ready, step),
            None if evaluation is None else evaluation.costs,
            None if evaluation is None else evaluation.held or _evaluation_by_law(evaluation),
            how,
            machinery,
            beside,
            names_of(ready),
        )
    return [found[id(ready)] for ready in cohorts]


def before_training(cohorts: Sequence[CompiledCohort], time_alone: bool = False) -> list[dict[str, Any] | None]:
    """The predictions of a run: nothing is compiled for them, nothing is traced that training does not use, and nothing
    is measured, so there are times only where the device was calibrated before. None of cohorts that train elsewhere
    or on several devices.
    """
    if not _predictable(cohorts):
        return [None] * len(cohorts)
    known = recall()
    return [predict(outline, known).as_dict() for outline in outlines(cohorts, Counting(compiles=False), time_alone)]


def learn_from(writer: RunWriter, work: Sequence[tuple[CompiledCohort, Sequence[tuple[str, Any]]]]) -> None:
    """Let later forecasts learn from cohorts that trained here, each with its blocks' names: what their programs come
    to, now that all are compiled, what compiling them took, and the seconds of their steps and evaluations as the
    timings have them. Nothing where the device was never calibrated, or nothing was predicted.
    """
    known, cohorts = recall(), [ready for ready, _ in work]
    if known is None or not _predictable(cohorts):
        return
    seen: list[Observation] = []
    for (ready, blocks), outline in zip(work, outlines(cohorts, Counting(compiles=False)), strict=True):
        note_compiling(ready)
        paths = [path for name, _ in blocks if (path := writer.paths.timing(name)).is_file()]
        timings = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
        seen += _seen(predict(outline, known).law, timings)
    refine(seen)


def _predictable(cohorts: Sequence[CompiledCohort]) -> bool:
    """Not where cohorts train elsewhere or on several devices."""
    return planned_devices() is None and all(ready.mesh.devices == 1 for ready in cohorts)


def _seen(law: dict[str, dict[str, Any]], timings: Sequence[dict[str, Any]]) -> list[Observation]:
    """The step and the evaluation of a cohort by the law and as its blocks measured them, the medians."""
    steps = [
        own["steady_seconds"] / own["steady_steps"]
        for own in timings
        if own["steady_steps"] and own["steady_seconds"] > LEAST_SECONDS
    ]
    evaluations = [own["evaluate_seconds"] for own in timings if own["evaluate_seconds"] > LEAST_SECONDS]
    return [
        Observation(law[part]["kind"], law[part]["program"], law[part]["seconds"], statistics.median(measured))
        for part, measured in (("step", steps), ("evaluation", evaluations))
        if part in law and measured
    ]


def _step_by_law(ready: CompiledCohort, step: Counted) -> Held:
    """Of a step that was not compiled: its gradient, and what its products give, each for the way back."""
    weights = 4 * ready.weights * ready.planned.lanes * ready.layout.seeds
    products = sum(
        4 * count * product.batch * product.rows * product.columns for count, product in step.costs.threaded.products
    )
    return Held(0, 0, int(weights + products), 0)


def _evaluation_by_law(evaluation: Counted) -> Held:
    """Of an evaluation that was not compiled: what its largest product takes and gives, since nothing is kept."""
    sizes = (
        4 * product.batch * product.rows * (product.inner + product.columns)
        for _, product in evaluation.costs.threaded.products
    )
    return Held(0, 0, max(sizes, default=0), 0)


def _example_bytes(ready: CompiledCohort) -> int:
    """The examples of a cohort's task, on the host and on the device; once where a CPU's programs take the host's."""
    host = [array for split in splits_of(ready.arrays.splits).values() for array in split]
    train, held = ready.examples
    batches = [one.batches for one in held.values()]
    if isinstance(ready.arrays, DeclaredArrays):  # what is not there has no address
        device = _leaves((batches,) if prepare_jax().default_backend() == "cpu" else (train, batches))
    else:
        places = {array.ctypes.data for array in host if isinstance(array, np.ndarray)}
        device = [leaf for leaf in _leaves((train, batches)) if _place(leaf) not in places]
    return sum(array.nbytes for array in host) + sum(map(_bytes, device))


def _place(leaf: Any) -> int | None:
    """The address of an array of one device; None of one of several."""
    try:
        return int(leaf.unsafe_buffer_pointer())
    except (AttributeError, ValueError, RuntimeError):
        return None


def _shape(ready: CompiledCohort, examples: int, beside: int, step: Counted, evaluation: Counted | None) -> CohortShape:
    """What the run of a cohort consists of; ``examples`` are the bytes of all tasks, ``beside`` the blocks that share
    its workers.
    """
    carried = _leaves(ready.step_shapes[0])
    planned, layout, program = ready.planned, ready.layout, ready.program
    steps, blocks = planned.recipe.steps, ready.blocks()
    longest = min(steps, planned.evaluate_every) if ready.watched else steps
    held = ready.examples[1]
    watched = sum(len(held[name].batches) for name in ready.watched)
    points = -(-steps // planned.record_every) + 1
    lanes = planned.lanes * layout.seeds
    predicted = sum(one.examples for one in held.values()) if ready.classes is not None else 0
    kept = 4 * ready.weights if ready.weights <= KEPT_WEIGHTS else 0
    trials = planned.lanes * len(planned.seeds)
    return CohortShape(
        jobs=len(blocks),
        at_once=min(layout.workers, beside),
        steps=steps,
        dispatch=min(layout.chunk, longest) if layout.loop else 1,
        evaluations=1 + math.ceil(steps / planned.evaluate_every) if ready.watched else 0,
        batches=watched,
        last_batches=sum(len(one.batches) for one in held.values()) - watched,
        last_evaluations=len(held) - len(ready.watched),
        share=ready.examples_seen / (steps * max(ready.widths)),
        call=(step.given + step.gives, step.gives - len(carried)),
        evaluation=(0, 0) if evaluation is None else (evaluation.given + evaluation.gives, evaluation.gives),
        state_bytes=sum(map(_bytes, carried)),
        start_bytes=4 * ready.weights * layout.seeds,
        data_bytes=examples,
        rows=points * lanes * len(blocks),
        columns=1 + len(program.cohort.metrics),
        disk_bytes=FOLDER_BYTES + BLOCK_BYTES * len(blocks) + trials * (predicted + kept),
    )


def _leaves(tree: Any) -> list[Any]:
    import jax

    return jax.tree.leaves(tree)


def _bytes(leaf: Any) -> int:
    return int(np.prod(leaf.shape)) * np.dtype(leaf.dtype).itemsize if hasattr(leaf, "shape") else 0


def layout_in_words(layout: Layout) -> str:
    """How a cohort is run, for people."""
    seeds = f"{layout.seeds} seeds a program" if layout.seeds > 1 else "a seed a program"
    beside = f", {layout.workers} programs at a time" if layout.workers > 1 else ""
    return f"{seeds}{beside}, {layout.chunk} steps {'a dispatch' if layout.loop else 'between returns to the host'}"
