"""Planning: which trials of a study are still to train, in which cohorts and blocks; written before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from fallline.engine.devices import device_name
from fallline.engine.program import Layout
from fallline.errors import StoreError
from fallline.store.interim_analyses import recorded_analyses
from fallline.store.resolved import PLAN_REMEDY
from fallline.store.undo import Undo
from fallline.store.writing import RunWriter
from fallline.study import Trial
from fallline.study.plan import PlannedCohort, plan, rebuild, spread
from fallline.training.cohort import CompiledCohort
from fallline.training.context import TrainingContext
from fallline.training.environment import describe
from fallline.training.memory_split import fit_to_memory, split_further
from fallline.training.predictions import write_labels
from fallline.training.preregistration import note_claims

Blocks = list[tuple[str, tuple[int, ...]]]
"""The names and seeds of blocks of one cohort."""

Part = tuple[CompiledCohort, Blocks]
"""A cohort and its blocks that are to be trained."""


def plan_run(
    setup: TrainingContext, writer: RunWriter, known: set[str], command: str = "", jobs: int = 1
) -> list[Part]:
    """Plan the trials that are neither ``known`` nor planned before, and return everything that is still to train.

    Cohorts are split until there are as many as ``jobs``, which run concurrently. Afterwards the run folder holds all
    that a worker needs: study, plan, labels, models and claims. Nothing is written before data, models, devices and
    memory have been checked; where writing fails, the folder is restored.
    """
    with Undo(writer.paths):
        return _plan_run(setup, writer, known, command, jobs)


def _plan_run(setup: TrainingContext, writer: RunWriter, known: set[str], command: str, jobs: int) -> list[Part]:
    left = unfinished_cohorts(setup, writer)
    planned_before = {trial.name for planned, _, _ in left for row in planned.trials for trial in row}
    new = [trial for trial in setup.trials if trial.name not in known and trial.name not in planned_before]
    texts = {task.name: task.model.text for task in setup.tasks if task.model.text}
    pipelines = {task.name: task.pipeline for task in setup.tasks if task.pipeline is not None}
    if not left and not new:
        note_claims(setup.study, setup.trials, writer.paths, len(known), setup.load)
        writer.start(setup.study, None)
        writer.note_current_trials(current_trials(setup, writer))
        writer.write_models(texts)
        writer.write_pipelines(pipelines)
        return []
    setup.say("reading the data")
    planned = spread(plan(new, setup.most_lanes, setup.mesh.trial if setup.mesh else 1), jobs - len(left))
    new_cohorts = [ready for cohort in planned for ready in fit_to_memory(cohort, setup.make)]
    cohorts_left = [(setup.make(planned, layout), blocks) for planned, layout, blocks in left]
    note_claims(setup.study, setup.trials, writer.paths, len(known), setup.load)
    work = [*cohorts_left, *plan_round(setup, writer, new_cohorts)]
    writer.start(setup.study, describe(command))
    writer.note_current_trials(current_trials(setup, writer))
    writer.forget_predictions()
    write_labels(setup, writer, [trial for ready, _ in work for trial in ready.planned.trials[0]])
    writer.write_models(texts)
    writer.write_pipelines(pipelines)
    return work


def current_trials(setup: TrainingContext, writer: RunWriter) -> set[str]:
    """The names of the trials of the study in its current form, including all seeds that an interim analysis of
    --until-decided has used: part of its error level was spent on them."""
    analyses = recorded_analyses(writer.paths)
    seeds = setup.study.seed_list
    analysed = [] if analyses is None else [seed for seed in analyses.seen if seed not in seeds]
    more = setup.study.with_({"seeds": [*seeds, *analysed]}).trials() if analysed else []
    return {trial.name for trial in (*setup.trials, *more)}


def plan_round(
    setup: TrainingContext, writer: RunWriter, cohorts: list[CompiledCohort], instead_of: Blocks | None = None
) -> list[Part]:
    """Write the plan of these cohorts; the blocks ``instead_of`` are removed from it."""
    if not cohorts:
        return []
    number = writer.next_round()
    parts, written = [], []
    forecast: Sequence[dict[str, Any] | None] = [None] * len(cohorts)
    if setup.forecaster is not None:
        forecast = setup.forecaster.before_training(cohorts, setup.study.time_alone)
    for ready, predicted in zip(cohorts, forecast, strict=True):
        planned = ready.planned
        blocks = [(f"r{number}-{planned.name}-b{k:03d}", seeds) for k, seeds in enumerate(ready.blocks())]
        parts.append((ready, blocks))
        written.append(
            {
                "name": planned.name,
                "layout": asdict(ready.layout),
                "lanes": planned.lanes,
                "device": device_name(),
                "budget": ready.budget,
                "predicted": predicted,
                "blocks": [
                    {"name": name, "seeds": list(seeds), "trials": [trial.name for trial in planned.of_seeds(seeds)]}
                    for name, seeds in blocks
                ],
            }
        )
    writer.add_round(
        {"round": number, "study": setup.study.hash, "cohorts": written}, {name for name, _ in instead_of or []}
    )
    return parts


def plan_smaller(setup: TrainingContext, writer: RunWriter, ready: CompiledCohort, blocks: Blocks) -> list[Part]:
    """The unfinished blocks of a cohort whose memory ran out, planned again in parts that need less."""
    seeds = [seed for _, of_block in blocks for seed in of_block]
    rows = [row for seed, row in zip(ready.planned.seeds, ready.planned.trials, strict=True) if seed in seeds]
    parts = split_further(ready, rebuild(ready.planned.name, rows), setup.make)
    return plan_round(setup, writer, parts, instead_of=blocks)


def cohort_from_plan(setup: TrainingContext, writer: RunWriter, written: dict[str, Any]) -> CompiledCohort:
    """A cohort as the plan has it, ready to train in this process; StoreError where the study no longer has its
    trials."""
    rebuilt = _rebuilt(written, {trial.name: trial for trial in setup.trials}, writer)
    if rebuilt is None:
        raise StoreError(
            f"{writer.paths.study} no longer has the trials of cohort {written['name']}; run the study as it was "
            "when they were planned"
        )
    return setup.make(*rebuilt[:2])


def blocks_left(writer: RunWriter, written: dict[str, Any]) -> Blocks:
    """The blocks of a cohort of the plan that have no records yet."""
    return [(block["name"], tuple(block["seeds"])) for block in written["blocks"] if not writer.is_done(block["name"])]


def unfinished_cohorts(setup: TrainingContext, writer: RunWriter) -> list[tuple[PlannedCohort, Layout, Blocks]]:
    """Cohorts of earlier starts with blocks still to train, exactly as they were planned, but on the devices that are
    requested now.
    """
    by_name = {trial.name: trial for trial in setup.trials}
    rebuilt = [_rebuilt(cohort, by_name, writer) for cohort in writer.planned_cohorts()]
    return [
        (planned, layout.on(setup.mesh) if setup.mesh else layout, left)
        for planned, layout, left in filter(None, rebuilt)
    ]


def _rebuilt(
    written: dict[str, Any], by_name: dict[str, Trial], writer: RunWriter
) -> tuple[PlannedCohort, Layout, Blocks] | None:
    """A cohort of the plan, its layout and its unfinished blocks; None where there are none, or where the study no
    longer has all of its trials.
    """
    try:
        left = blocks_left(writer, written)
        rows = [row for block in written["blocks"] for row in _by_seed(block)] if left else []
        if not rows or not all(name in by_name for row in rows for name in row):
            return None
        planned = rebuild(written["name"], [[by_name[name] for name in row] for row in rows])
        return planned, Layout(**written["layout"]), left
    except (LookupError, TypeError, ValueError, ZeroDivisionError):
        raise StoreError(
            f"{writer.paths.plan} is not a plan; it was damaged after it was written: {PLAN_REMEDY}"
        ) from None


def _by_seed(block: dict[str, Any]) -> list[list[str]]:
    """The trials of a block of the plan, one row per seed."""
    lanes = len(block["trials"]) // len(block["seeds"])
    return [block["trials"][first : first + lanes] for first in range(0, len(block["trials"]), lanes)]
