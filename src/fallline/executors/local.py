"""The local executor: every cohort of a plan, here, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from fallline.contracts import Metric, Task
from fallline.engine.devices import device_name
from fallline.engine.memory import OutOfMemory, ran_out
from fallline.engine.program import Layout as EngineLayout
from fallline.engine.side_by_side import run_side_by_side
from fallline.errors import StoreError
from fallline.executors.alone import seconds_alone
from fallline.executors.answers import write_answers, write_mistakes
from fallline.executors.block import train_block
from fallline.executors.check import check_choice, check_metrics
from fallline.executors.claims import check_claims, note_claims
from fallline.executors.cohort import Arrays, Programs, ReadyCohort, lanes_of, load_arrays
from fallline.executors.fitting import fitting, smaller
from fallline.executors.progress import Count, Listener
from fallline.plan import PlannedCohort, plan, rebuild
from fallline.store.layout import Layout
from fallline.store.resolved import PLAN_REMEDY
from fallline.store.writing import RunWriter
from fallline.study import Study, Trial
from fallline.study.resolve import resolve
from fallline.study.trial import numbers_in_use
from fallline.tasks.folds import Cut

Blocks = list[tuple[str, tuple[int, ...]]]
"""Names and seeds of blocks of one cohort."""


def run_here(study: Study, out: Path, resume: bool = False, folder: Path | None = None,
             listen: Listener | None = None, command: str = "") -> Path:
    """Train every trial of ``study`` that ``out`` has no records of; ``out`` is a run folder from the first moment.

    ``folder`` holds the full data sets. A stopped run goes on with ``resume``: finished blocks are kept, an
    unfinished one goes on from its checkpoint, and the records are those of a run that was never stopped.
    """
    trials = study.trials()
    metrics = {metric.name: metric.function for metric in _metrics(study)}
    for task in _tasks(trials):
        check_metrics(study, task, metrics)
    check_claims(study, trials, metrics)
    with RunWriter.open(Layout(out), study, resume) as writer:
        return _Session(study, trials, metrics, writer, folder, listen or (lambda progress: None), command).run()


def _metrics(study: Study) -> list[Metric]:
    """The metrics that a study adds to those of its task."""
    return [resolve(Metric, written, study.folder, f"{study.name}, metrics, {n + 1} of {len(study.metrics)}")
            for n, written in enumerate(study.metrics)]


def _tasks(trials: list[Trial]) -> list[Task]:
    return list({trial.task.name: trial.task for trial in trials}.values())


class _Session:
    """One start of a run."""

    def __init__(self, study: Study, trials: list[Trial], metrics: dict[str, Callable[..., Any]], writer: RunWriter,
                 folder: Path | None, listen: Listener, command: str):
        self.study, self.trials, self.metrics = study, trials, metrics
        self.writer, self.folder, self.command = writer, folder, command
        self.known = writer.known_trials()
        self.count = Count(trials, self.known, study.metric, listen)
        self.shown = numbers_in_use(trials)
        self.alone: dict[str, float] = {}
        self.stopping = False
        self.programs = Programs()
        self._arrays: dict[tuple[str, Cut | None], Arrays] = {}

    def run(self) -> Path:
        note_claims(self.study, self.trials, self.writer.paths, len(self.known), self._load)
        unfinished = self._unfinished()
        promised = {trial.name for planned, _, _ in unfinished for row in planned.trials for trial in row}
        new = [trial for trial in self.trials if trial.name not in self.known and trial.name not in promised]
        if not unfinished and not new:
            self.writer.start(self.study, None)
            return self.writer.paths.root
        self.count.say("reading the data")
        planned = plan(new, self._most_lanes)
        fresh = self._plan_round([ready for cohort in planned for ready in fitting(cohort, self._make)])
        self.writer.start(self.study, self._environment())
        again = [(self._make(planned, layout), blocks) for planned, layout, blocks in unfinished]
        work = [*again, *fresh]
        self.count.expect([ready for ready, _ in work])
        if self.study.time_alone:
            self.count.say("timing one trial alone")
            self.alone = {ready.planned.name: seconds_alone(ready, self._make) for ready, _ in work}
        for ready, _ in work:
            write_answers(self.writer, ready)
        self.writer.write_models({task.name: task.model.text for task in _tasks(self.trials) if task.model.text})
        cohorts = self._train_all(work)
        self.count.say("looking at mistakes")
        write_mistakes(self.writer, cohorts)
        return self.writer.paths.root

    def _make(self, planned: PlannedCohort, layout: EngineLayout | None = None) -> ReadyCohort:
        self.count.say("preparing")
        arrays = self._load(planned.task, planned.trials[0][0].cut)
        return ReadyCohort(planned, arrays, self.programs, self.metrics, layout)

    def _plan_round(self, cohorts: list[ReadyCohort], instead_of: Blocks | None = None) -> list[
            tuple[ReadyCohort, Blocks]]:
        """Write the plan of these cohorts down; of ``instead_of`` nothing more is expected."""
        if not cohorts:
            return []
        number = self.writer.next_round()
        ready, written = [], []
        for cohort in cohorts:
            planned = cohort.planned
            blocks = [(f"r{number}-{planned.name}-b{k:03d}", seeds) for k, seeds in enumerate(cohort.blocks())]
            ready.append((cohort, blocks))
            written.append({"name": planned.name, "layout": asdict(cohort.layout), "lanes": planned.lanes,
                            "device": device_name(), "budget": cohort.budget,
                            "blocks": [{"name": name, "seeds": list(seeds),
                                        "trials": [trial.name for trial in planned.of_seeds(seeds)]}
                                       for name, seeds in blocks]})
        self.writer.add_round({"round": number, "study": self.study.hash, "cohorts": written},
                              {name for name, _ in instead_of or []})
        return ready

    def _unfinished(self) -> list[tuple[PlannedCohort, EngineLayout, Blocks]]:
        """Cohorts of earlier starts with blocks still to do, exactly as they were planned."""
        by_name = {trial.name: trial for trial in self.trials}
        found = []
        for cohort in self.writer.planned_cohorts():
            try:
                left = [(block["name"], tuple(block["seeds"])) for block in cohort["blocks"]
                        if not self.writer.is_done(block["name"])]
                rows = [row for block in cohort["blocks"] for row in _by_seed(block)]
                if left and all(name in by_name for row in rows for name in row):
                    planned = rebuild(cohort["name"], [[by_name[name] for name in row] for row in rows])
                    found.append((planned, EngineLayout(**cohort["layout"]), left))
            except (LookupError, TypeError, ValueError, ZeroDivisionError):
                raise StoreError(f"{self.writer.paths.plan} is not a plan; it was damaged after it was written: "
                                 f"{PLAN_REMEDY}") from None
        return found

    def _train_all(self, work: list[tuple[ReadyCohort, Blocks]]) -> list[ReadyCohort]:
        """Train every block; a cohort whose memory runs out goes on in parts. What was trained, by cohort."""
        trained = [ready for ready, _ in work]
        while work:
            workers = work[0][0].layout.workers
            together = [item for item in work if item[0].layout.workers == workers]
            rest = [item for item in work if item[0].layout.workers != workers]
            try:
                self._train(together, workers)
            except _RanOut as failure:
                self.stopping = False
                left = [(ready, [block for block in blocks if not self.writer.is_done(block[0])])
                        for ready, blocks in together]
                rest += [(ready, blocks) for ready, blocks in left if blocks and ready is not failure.ready]
                rest += self._split(failure.ready, next(blocks for ready, blocks in left if ready is failure.ready))
            work = rest
        return trained

    def _train(self, work: list[tuple[ReadyCohort, Blocks]], workers: int) -> None:
        """The blocks of these cohorts, so many at a time; the first failure stops the rest."""
        jobs = [partial(self._block, ready, name, seeds) for ready, blocks in work for name, seeds in blocks]
        run_side_by_side(jobs, workers, self.stop)

    def _block(self, ready: ReadyCohort, name: str, seeds: tuple[int, ...]) -> Iterator[None]:
        try:
            yield from train_block(ready, name, seeds, self.writer, self.study.target, self)
        except Exception as failure:
            if ran_out(failure):
                raise _RanOut(ready) from failure
            raise

    def _split(self, ready: ReadyCohort, blocks: Blocks) -> list[tuple[ReadyCohort, Blocks]]:
        """The blocks that are left of a cohort, planned anew in parts that need less memory."""
        seeds = [seed for _, own in blocks for seed in own]
        rows = [row for seed, row in zip(ready.planned.seeds, ready.planned.trials, strict=True) if seed in seeds]
        parts = smaller(ready, rebuild(ready.planned.name, rows), self._make)
        return self._plan_round(parts, instead_of=blocks)

    def stop(self) -> None:
        """Ask every block to end at its next pause, its checkpoint written."""
        self.stopping = True

    def _most_lanes(self, task: Task) -> int:
        return lanes_of(task, self._load(task).splits)

    def _load(self, task: Task, cut: Cut | None = None) -> Arrays:
        """The examples of ``task`` with that cut, or with the first where any will do."""
        cut = cut or self.trials[0].cut
        key = (task.name, cut)
        if key not in self._arrays:
            self._arrays[key] = load_arrays(task, self.study.data, self.folder, cut)
            check_choice(self.study, self.trials, task, self._arrays[key].splits)
        return self._arrays[key]

    def _environment(self) -> dict[str, Any]:
        from fallline.executors.environment import describe

        return describe(self.command)


class _RanOut(OutOfMemory):
    """The memory ran out in a block of this cohort."""

    def __init__(self, ready: ReadyCohort):
        super().__init__(ready.planned.name)
        self.ready = ready


def _by_seed(block: dict[str, Any]) -> list[list[str]]:
    """A written block's trials, a row a seed."""
    lanes = len(block["trials"]) // len(block["seeds"])
    return [block["trials"][first:first + lanes] for first in range(0, len(block["trials"]), lanes)]
