"""The progress of a run, counted by its blocks, for a progress display."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fallline.contracts import MetricName
from fallline.engine.training import Records
from fallline.metrics import higher_is_better
from fallline.study import Trial
from fallline.study.formatting import exact
from fallline.training.cohort import CompiledCohort


@dataclass(frozen=True)
class Progress:
    """The progress of a run: trial-steps and trials done of all, trials that diverged or stopped early, the phase as
    text.

    ``work`` of ``all_work`` weights a trial-step by its cost (weights x examples), to estimate the remaining time.
    ``best`` is the best value of ``metric`` so far, and ``best_trial`` names its trial.
    """

    done: int
    total: int
    diverged: int
    phase: str
    trials: int = 0
    all_trials: int = 0
    stopped: int = 0
    work: float = 0.0
    all_work: float = 0.0
    metric: str = ""
    best: float | None = None
    best_trial: str = ""


OnProgress = Callable[[Progress], None]


class ProgressCount:
    """Counts the progress of a session; blocks on several threads report to it."""

    def __init__(self, trials: list[Trial], known: set[str], metric: str, on_progress: OnProgress):
        self.on_progress, self.metric = on_progress, str(MetricName.parse(metric).curve)
        self.total = sum(trial.recipe.steps for trial in trials)
        self.done = sum(trial.recipe.steps for trial in trials if trial.name in known)
        self.all_trials, self.trials = len(trials), sum(trial.name in known for trial in trials)
        self.diverged = self.stopped = 0
        self.work = self.all_work = 0.0
        self.best: float | None = None
        self.best_trial = ""
        self._lock = threading.Lock()

    def expect(self, cohorts: list[CompiledCohort]) -> None:
        """Add the work of these cohorts to the total."""
        self.all_work = self.work + sum(ready.work_of(len(ready.planned.seeds)) for ready in cohorts)

    def advanced(self, ready: CompiledCohort, seeds: tuple[int, ...], steps: int, records: Records) -> None:
        """A block has trained ``steps`` more steps since its last report."""
        with self._lock:
            self.done += steps * len(seeds) * ready.planned.lanes
            self.work += ready.work_of(len(seeds)) * steps / ready.planned.recipe.steps
            self._update_best(ready, seeds, records)
            self.say("training")

    def finished(self, records: Records) -> None:
        """The records of a block's trials are written."""
        assert records.diverged_at is not None and records.stopped_at is not None
        with self._lock:
            self.trials += records.diverged_at.size
            self.stopped += int((records.stopped_at >= 0).sum())
            self.say("training")

    def ended(self, lanes: int) -> None:
        """``lanes`` more lanes have diverged."""
        with self._lock:
            self.diverged += lanes

    def say(self, phase: str) -> None:
        """Report the progress, with the text of the current phase."""
        self.on_progress(
            Progress(
                self.done,
                self.total,
                self.diverged,
                phase,
                self.trials,
                self.all_trials,
                self.stopped,
                self.work,
                self.all_work,
                self.metric,
                self.best,
                self.best_trial,
            )
        )

    def _update_best(self, ready: CompiledCohort, seeds: tuple[int, ...], records: Records) -> None:
        values = records.held_out.get(self.metric)
        if not values or not np.isfinite(values[-1]).any():
            return
        up, last = higher_is_better(self.metric, ready.directions), values[-1]
        place = int((np.nanargmax if up else np.nanargmin)(last))
        value = float(last.ravel()[place])
        if self.best is None or (value > self.best if up else value < self.best):
            lane = place % ready.planned.lanes
            recipe = ready.planned.trials[0][lane].recipe
            rate = dict(recipe.hyperparameters.optimizer).get("learning_rate")
            self.best = value
            self.best_trial = recipe.optimizer.name + ("" if rate is None else f" {exact(rate)}")
