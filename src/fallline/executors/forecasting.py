"""Forecasting cohorts: what follows from what their programs come to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fallline.engine.devices import elsewhere
from fallline.engine.program import Layout
from fallline.executors.check import splits_of
from fallline.executors.cohort import KEPT_WEIGHTS, ReadyCohort
from fallline.executors.counting import COMPILING_SECONDS_A_LINE, Counting
from fallline.forecast.calibration import Calibration, calibrate, recall
from fallline.forecast.counted import Counted
from fallline.forecast.memory import machinery_bytes
from fallline.forecast.prediction import Held, Prediction, Shape, predict

WORTH_CALIBRATING = 1e12
"""Operations of a run, a minute or so, from which a device that was never calibrated is calibrated first."""

FOLDER_BYTES, BLOCK_BYTES = 30_000, 12_000
"""Disk of a run folder without records, and of a block's files without rows."""


def predict_all(cohorts: Sequence[ReadyCohort], calibration: Calibration | None, until: float | None = None,
                time_alone: bool = False) -> list[Prediction]:
    """The predictions of cohorts before they train, all in one process; those with as many workers share the cores.
    With ``time_alone`` a trial of each is timed by itself first.

    Programs are compiled where they must be; with ``until`` only while the clock (``time.perf_counter``) has not
    reached it, and else counted by law.
    """
    counting = Counting(until)
    steps = [counting.step(ready) for ready in cohorts]
    looks = [counting.look(ready) for ready in cohorts]
    letters = {}  # of the programs of each cohort, once where cohorts share them: a step's are a program a width
    for ready, step, look in zip(cohorts, steps, looks, strict=True):
        letters[ready.program] = [step.letters] * len(ready.widths) + ([] if look is None else [look.letters])
    alone = [step.letters for step in steps] if time_alone else []  # a trial by itself has programs of its own
    texts = [*alone, *(letter for own in letters.values() for letter in own)]
    machinery = machinery_bytes(len(cohorts) + len(alone), texts, any(looks))
    examples = sum({id(ready.arrays): _example_bytes(ready) for ready in cohorts}.values())
    jobs: dict[int, int] = {}
    for ready in cohorts:
        jobs[ready.layout.workers] = jobs.get(ready.layout.workers, 0) + len(ready.blocks())
    found = []
    for ready, step, look in zip(cohorts, steps, looks, strict=True):
        beside = ready.layout.workers > 1 and jobs[ready.layout.workers] > 1
        how = "compiled" if step.held is not None and (look is None or look.held is not None) else "by law"
        found.append(predict(_shape(ready, examples, jobs[ready.layout.workers], step, look), step.costs,
                             step.held or _step_by_law(ready, step), None if look is None else look.costs,
                             None if look is None else look.held or _look_by_law(look), how, calibration, machinery,
                             beside))
    return found


def before_training(cohorts: Sequence[ReadyCohort], time_alone: bool = False) -> list[Prediction | None]:
    """The predictions of a run. Times where the device was calibrated before; it is now where the run is long enough
    that the seconds it takes do not count. None of cohorts that train elsewhere or on several devices.
    """
    if elsewhere() is not None or any(ready.mesh.devices > 1 for ready in cohorts):
        return [None] * len(cohorts)
    known = recall()
    if known is None and sum(ready.operations for ready in cohorts) > WORTH_CALIBRATING:
        known = calibrate()
    return predict_all(cohorts, known, time_alone=time_alone)


def compile_seconds(cohorts: Sequence[ReadyCohort]) -> float:
    """About what compiling takes of the programs of these cohorts that were counted by law or compiled just now."""
    parts = {id(part): part for ready in cohorts for part in ready.program.parts}
    return sum(part.compile_seconds or (COMPILING_SECONDS_A_LINE * part.lines if part.lines else 0.0)
               for part in parts.values())


def _step_by_law(ready: ReadyCohort, step: Counted) -> Held:
    """Of a step that was not compiled: its gradient, and what its products give, each for the way back."""
    weights = 4 * ready.weights * ready.planned.lanes * ready.layout.seeds
    products = sum(4 * count * product.batch * product.rows * product.columns
                   for count, product in step.costs.threaded.products)
    return Held(0, 0, int(weights + products), 0)


def _look_by_law(look: Counted) -> Held:
    """Of an evaluation that was not compiled: what its largest product takes and gives, since nothing is kept."""
    sizes = (4 * product.batch * product.rows * (product.inner + product.columns)
             for _, product in look.costs.threaded.products)
    return Held(0, 0, max(sizes, default=0), 0)


def _example_bytes(ready: ReadyCohort) -> int:
    """The examples of a cohort's task, on the host and on the device; once where a CPU's programs take the host's."""
    host = [array for split in splits_of(ready.arrays.splits).values() for array in split]
    places = {array.ctypes.data for array in host if isinstance(array, np.ndarray)}
    train, held = ready.examples
    device = [leaf for leaf in _leaves((train, [one.batches for one in held.values()])) if _place(leaf) not in places]
    return sum(array.nbytes for array in host) + sum(map(_bytes, device))


def _place(leaf: Any) -> int | None:
    """The address of an array of one device; None of one of several."""
    try:
        return int(leaf.unsafe_buffer_pointer())
    except (AttributeError, ValueError, RuntimeError):
        return None


def _shape(ready: ReadyCohort, examples: int, beside: int, step: Counted, look: Counted | None) -> Shape:
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
    return Shape(
        jobs=len(blocks), at_once=min(layout.workers, beside), steps=steps,
        dispatch=min(layout.chunk, longest) if layout.loop else 1,
        looks=1 + math.ceil(steps / planned.evaluate_every) if ready.watched else 0, batches=watched,
        last_batches=sum(len(one.batches) for one in held.values()) - watched,
        last_looks=len(held) - len(ready.watched),
        share=ready.examples_seen / (steps * max(ready.widths)),
        call=(step.given + step.gives, step.gives - len(carried)),
        look=(0, 0) if look is None else (look.given + look.gives, look.gives),
        state_bytes=sum(map(_bytes, carried)), start_bytes=4 * ready.weights * layout.seeds, data_bytes=examples,
        rows=points * lanes * len(blocks), columns=1 + len(program.cohort.metrics),
        disk_bytes=FOLDER_BYTES + BLOCK_BYTES * len(blocks) + trials * (predicted + kept))


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
