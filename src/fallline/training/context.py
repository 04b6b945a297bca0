"""What the cohorts of a study share: its trials, metrics, examples and compiled programs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fallline.contracts import Metric, Task
from fallline.engine.memory_use import held_bytes
from fallline.engine.mesh import ONE_DEVICE, Mesh
from fallline.engine.program import Layout
from fallline.study import Study, Trial
from fallline.study.plan import PlannedCohort
from fallline.study.resolve import resolve
from fallline.tasks.folds import FoldSplit
from fallline.training.arrays import Arrays, load_arrays
from fallline.training.cohort import CompiledCohort
from fallline.training.forecaster import Forecaster
from fallline.training.metric_directions import check_directions, with_directions
from fallline.training.packing import lanes_of
from fallline.training.selector_names import check_names
from fallline.training.shared import Shared
from fallline.training.validation import check_choice, check_metrics


class TrainingContext:
    """A study in one process. ``folder`` holds the full data sets; ``mesh`` are the requested devices, None for the
    default; ``remote``: other processes train, this one only plans; without a ``forecaster`` nothing is predicted;
    ``say`` is called with a text for each phase; ``shared`` has what runs before this one made.
    """

    def __init__(
        self,
        study: Study,
        folder: Path | None,
        trials: list[Trial] | None = None,
        mesh: Mesh | None = None,
        remote: bool = False,
        forecaster: Forecaster | None = None,
        shared: Shared | None = None,
    ):
        self.held_before = held_bytes()  # before anything of this study is loaded; the peak is counted from here
        self.folder, self.mesh, self.remote, self.forecaster = folder, mesh, remote, forecaster
        self.trials = study.trials() if trials is None else trials
        self.metrics = {metric.name: metric for metric in _metrics(study)}
        self.study = with_directions(study, self.metrics.values(), self.tasks)
        self.say: Callable[[str], None] = lambda phase: None
        shared = shared or Shared()
        shared.programs.start_run()
        self._programs, self._arrays = shared.programs, shared.arrays

    def check(self) -> None:
        """Check that every name in the study is known and that the devices exist; an error before anything is
        written."""
        if self.mesh is not None and not self.remote:
            self.mesh.rows()
        for task in self.tasks:
            check_metrics(self.study, task, self.metrics)
            check_directions(self.study, task, self.metrics)
        check_names(self.study, self.trials, self.metrics)

    @property
    def tasks(self) -> list[Task]:
        return list({trial.task.name: trial.task for trial in self.trials}.values())

    def make(self, planned: PlannedCohort, layout: Layout | None = None) -> CompiledCohort:
        """The cohort ready to train, with ``layout`` or with the one chosen for this device."""
        self.say("preparing")
        arrays = self.load(planned.task, planned.trials[0][0].cut)
        return CompiledCohort(
            planned,
            arrays,
            self._programs,
            self.metrics,
            layout,
            self.mesh or ONE_DEVICE,
            self.remote,
            self.study.goals,
            self.study.keep_weights,
            "none" if isinstance(self.study.data, str) else "best",  # a model of a file is meant for new rows
        )

    def share(self, other: TrainingContext) -> None:
        """Use the examples that another context with the same data has read."""
        self._arrays = other._arrays

    def most_lanes(self, task: Task) -> int:
        return lanes_of(task, self.load(task).splits)

    def load(self, task: Task, cut: FoldSplit | None = None) -> Arrays:
        """The examples of ``task`` with the fold ``cut``, or with that of the first trial; tasks on the same data share
        them.
        """
        cut = cut or self.trials[0].cut
        key = (task.name, cut)
        known = self._arrays.get(key)
        if known is None or known.source is not task.data:
            same_data = (
                arrays for (_, fold), arrays in self._arrays.items() if fold == cut and arrays.source is task.data
            )
            arrays = next(same_data, None) or load_arrays(task, self.study.data_size, self.folder, cut)
            check_choice(self.study, self.trials, task, arrays.splits)
            self._arrays[key] = arrays
        return self._arrays[key]


def _metrics(study: Study) -> list[Metric]:
    """The metrics that a study adds to those of its task."""
    return [
        resolve(Metric, written, study.folder, f"{study.name}, metrics, {n + 1} of {len(study.metrics)}")
        for n, written in enumerate(study.metrics)
    ]
