"""The local executor: every cohort of a plan, here, in this process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fallline.engine.devices import device_name
from fallline.engine.program import Layout as EngineLayout
from fallline.engine.side_by_side import run_side_by_side
from fallline.errors import StoreError
from fallline.executors.block import train_block
from fallline.executors.check import check_metrics
from fallline.executors.cohort import Arrays, ReadyCohort, load_arrays, most_lanes
from fallline.plan import PlannedCohort, plan, rebuild
from fallline.store.layout import Layout
from fallline.store.resolved import PLAN_REMEDY
from fallline.store.writing import RunWriter
from fallline.study import Study, Trial


@dataclass(frozen=True)
class Progress:
    """What a progress display may say: trial-steps done of all, trials that diverged so far, the phase in words."""

    done: int
    total: int
    diverged: int
    phase: str


Listener = Callable[[Progress], None]
Blocks = list[tuple[str, tuple[int, ...]]]
"""Names and seeds of blocks of one cohort."""


def run_here(study: Study, out: Path, resume: bool = False, folder: Path | None = None,
             listen: Listener | None = None, command: str = "") -> Path:
    """Train every trial of ``study`` that ``out`` has no records of; ``out`` is a run folder from the first moment.

    ``folder`` holds the full data sets. A stopped run goes on with ``resume``: finished blocks are kept, an
    unfinished one goes on from its checkpoint, and the records are those of a run that was never stopped.
    """
    trials = study.trials()
    check_metrics(study, trials[0].task)
    with RunWriter.open(Layout(out), study, resume) as writer:
        return _Session(study, trials, writer, folder, listen or (lambda progress: None), command).run()


class _Session:
    """One start of a run."""

    def __init__(self, study: Study, trials: list[Trial], writer: RunWriter, folder: Path | None, listen: Listener,
                 command: str):
        self.study, self.trials, self.writer, self.folder, self.listen = study, trials, writer, folder, listen
        self.command = command
        self.total = sum(trial.recipe.steps for trial in trials)
        self.done, self.diverged, self.stopping = 0, 0, False
        self._counting = threading.Lock()
        self._arrays: dict[tuple[str, str], Arrays] = {}

    def run(self) -> Path:
        known = self.writer.known_trials()
        self.done = sum(trial.recipe.steps for trial in self.trials if trial.name in known)
        unfinished = self._unfinished()
        promised = {trial.name for planned, _, _ in unfinished for row in planned.trials for trial in row}
        new = [trial for trial in self.trials if trial.name not in known and trial.name not in promised]
        if unfinished or new:
            self._say("reading the data")
            fresh = self._plan_round(new)
            self.writer.start(self.study, self._environment())
            again = [(ReadyCohort(planned, self._load(planned), layout), blocks)
                     for planned, layout, blocks in unfinished]
            for ready, blocks in [*again, *fresh]:
                self._train(ready, blocks)
        else:
            self.writer.start(self.study, None)
        return self.writer.paths.root

    def _plan_round(self, new: list[Trial]) -> list[tuple[ReadyCohort, Blocks]]:
        """Plan the trials that are new, write the plan down, and make their cohorts ready."""
        if not new:
            return []
        number = self.writer.next_round()
        ready, written = [], []
        for planned in plan(new, most_lanes):
            self._say("preparing")
            cohort = ReadyCohort(planned, self._load(planned))
            blocks = [(f"r{number}-{planned.name}-b{k:03d}", seeds) for k, seeds in enumerate(cohort.blocks())]
            ready.append((cohort, blocks))
            written.append({"name": planned.name, "layout": asdict(cohort.layout), "lanes": planned.lanes,
                            "device": device_name(),
                            "blocks": [{"name": name, "seeds": list(seeds),
                                        "trials": [trial.name for trial in planned.of_seeds(seeds)]}
                                       for name, seeds in blocks]})
        self.writer.add_round({"round": number, "study": self.study.hash, "cohorts": written})
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

    def _train(self, ready: ReadyCohort, blocks: Blocks) -> None:
        """The blocks of a cohort, as many at a time as its layout says; the first failure stops the rest."""
        jobs = [partial(train_block, ready, name, seeds, self.writer, self.study.target, self)
                for name, seeds in blocks]
        run_side_by_side(jobs, ready.layout.workers, self.stop)

    def stop(self) -> None:
        """Ask every block to end at its next pause, its checkpoint written."""
        self.stopping = True

    def advanced(self, trial_steps: int, diverged: int) -> None:
        """Hear from a block how far it came since it last told."""
        with self._counting:
            self.done += trial_steps
            self.diverged += diverged
            self._say("training")

    def _load(self, planned: PlannedCohort) -> Arrays:
        key = (planned.task.name, planned.data)
        if key not in self._arrays:
            self._arrays[key] = load_arrays(planned.task, planned.data, self.folder)
        return self._arrays[key]

    def _environment(self) -> dict[str, Any]:
        from fallline.executors.environment import describe

        return describe(self.command)

    def _say(self, phase: str) -> None:
        self.listen(Progress(self.done, self.total, self.diverged, phase))


def _by_seed(block: dict[str, Any]) -> list[list[str]]:
    """A written block's trials, a row a seed."""
    lanes = len(block["trials"]) // len(block["seeds"])
    return [block["trials"][first:first + lanes] for first in range(0, len(block["trials"]), lanes)]
