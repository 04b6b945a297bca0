"""Planning: what of a study is still to be trained, in which cohorts and blocks, written down before anything runs."""

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
from fallline.training.memory_split import fitting, smaller
from fallline.training.predictions import write_answers
from fallline.training.preregistration import note_claims

Blocks = list[tuple[str, tuple[int, ...]]]
"""Names and seeds of blocks of one cohort."""

Part = tuple[CompiledCohort, Blocks]
"""A cohort and those of its blocks that are to be trained."""


def plan_run(
    setup: TrainingContext, writer: RunWriter, known: set[str], command: str = "", jobs: int = 1
) -> list[Part]:
    """Plan the trials that are neither ``known`` nor planned before; all that is to be trained, nothing: done.

    Cohorts are cut until there are as many as ``jobs`` that are to run at once.

    The run folder then holds all that whoever trains needs: study, plan, labels, models, and the claims as they stood.
    Nothing is written before data, models, devices and memory were found to do; where writing itself fails, the folder
    is as it was before.
    """
    with Undo(writer.paths):
        return _plan_run(setup, writer, known, command, jobs)


def _plan_run(setup: TrainingContext, writer: RunWriter, known: set[str], command: str, jobs: int) -> list[Part]:
    left = unfinished(setup, writer)
    promised = {trial.name for planned, _, _ in left for row in planned.trials for trial in row}
    new = [trial for trial in setup.trials if trial.name not in known and trial.name not in promised]
    texts = {task.name: task.model.text for task in setup.tasks if task.model.text}
    if not left and not new:
        note_claims(setup.study, setup.trials, writer.paths, len(known), setup.load)
        writer.start(setup.study, None)
        writer.note_standing(standing(setup, writer))
        writer.write_models(texts)
        return []
    setup.say("reading the data")
    planned = spread(plan(new, setup.most_lanes, setup.mesh.trial if setup.mesh else 1), jobs - len(left))
    made = [ready for cohort in planned for ready in fitting(cohort, setup.make)]
    again = [(setup.make(planned, layout), blocks) for planned, layout, blocks in left]
    note_claims(setup.study, setup.trials, writer.paths, len(known), setup.load)
    work = [*again, *plan_round(setup, writer, made)]
    writer.start(setup.study, describe(command))
    writer.note_standing(standing(setup, writer))
    writer.forget_mistakes()
    write_answers(setup, writer, [trial for ready, _ in work for trial in ready.planned.trials[0]])
    writer.write_models(texts)
    return work


def standing(setup: TrainingContext, writer: RunWriter) -> set[str]:
    """The names of the trials of the study as it stands; seeds that a look of --until-decided has seen stay among
    them, since its level was spent on these."""
    looks = recorded_analyses(writer.paths)
    seeds = setup.study.seed_list
    seen = [] if looks is None else [seed for seed in looks.seen if seed not in seeds]
    more = setup.study.with_({"seeds": [*seeds, *seen]}).trials() if seen else []
    return {trial.name for trial in (*setup.trials, *more)}


def plan_round(
    setup: TrainingContext, writer: RunWriter, cohorts: list[CompiledCohort], instead_of: Blocks | None = None
) -> list[Part]:
    """Write the plan of these cohorts down; of ``instead_of`` nothing more is expected."""
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
    """The blocks that are left of a cohort whose memory ran out, planned anew in parts that need less."""
    seeds = [seed for _, own in blocks for seed in own]
    rows = [row for seed, row in zip(ready.planned.seeds, ready.planned.trials, strict=True) if seed in seeds]
    parts = smaller(ready, rebuild(ready.planned.name, rows), setup.make)
    return plan_round(setup, writer, parts, instead_of=blocks)


def ready_again(setup: TrainingContext, writer: RunWriter, written: dict[str, Any]) -> CompiledCohort:
    """A cohort of the plan, as it is written there, ready to train here."""
    found = _rebuilt(written, {trial.name: trial for trial in setup.trials}, writer)
    if found is None:
        raise StoreError(
            f"{writer.paths.study} does not have the trials of cohort {written['name']} any more; run the "
            "study as it was when they were planned"
        )
    return setup.make(*found[:2])


def left_of(writer: RunWriter, written: dict[str, Any]) -> Blocks:
    """The blocks of a written cohort that have no records yet."""
    return [(block["name"], tuple(block["seeds"])) for block in written["blocks"] if not writer.is_done(block["name"])]


def unfinished(setup: TrainingContext, writer: RunWriter) -> list[tuple[PlannedCohort, Layout, Blocks]]:
    """Cohorts of earlier starts with blocks still to do, exactly as they were planned, but on the devices that are
    asked for now.
    """
    by_name = {trial.name: trial for trial in setup.trials}
    found = [_rebuilt(cohort, by_name, writer) for cohort in writer.planned_cohorts()]
    return [
        (planned, layout.on(setup.mesh) if setup.mesh else layout, left)
        for planned, layout, left in filter(None, found)
    ]


def _rebuilt(
    written: dict[str, Any], by_name: dict[str, Trial], writer: RunWriter
) -> tuple[PlannedCohort, Layout, Blocks] | None:
    """A written cohort, its layout and what is left of it; None where the study has not all of its trials."""
    try:
        left = left_of(writer, written)
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
    """A written block's trials, a row a seed."""
    lanes = len(block["trials"]) // len(block["seeds"])
    return [block["trials"][first : first + lanes] for first in range(0, len(block["trials"]), lanes)]
