"""A complete run in this process: plan, train, write records."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from fallline.engine import processes
from fallline.engine.mesh import Mesh
from fallline.store.paths import RunPaths
from fallline.store.writing import RunWriter
from fallline.study import Study
from fallline.training.context import TrainingContext
from fallline.training.forecaster import Forecaster
from fallline.training.outputs import outputs_missing, write_outputs
from fallline.training.planning import plan_run, plan_smaller, unfinished_cohorts
from fallline.training.predictions import labels_missing, write_labels, write_mistakes
from fallline.training.progress import OnProgress, ProgressCount
from fallline.training.session import TrainingSession
from fallline.training.shared import Shared


def run_here(
    study: Study,
    out: Path,
    resume: bool = False,
    folder: Path | None = None,
    on_progress: OnProgress | None = None,
    command: str = "",
    mesh: Mesh | None = None,
    forecaster: Forecaster | None = None,
    shared: Shared | None = None,
) -> Path:
    """Train every trial of ``study`` that the run folder ``out`` has no records of.

    ``folder`` holds the full data sets, ``shared`` what other runs of the same data made in this process. A stopped run
    is continued with ``resume``: finished blocks are kept, unfinished ones continue from their checkpoints, and the
    records equal those of a run that was never stopped. On a ``mesh`` of several processes each of them calls this: the
    first plans and finishes, all train.
    """
    setup = TrainingContext(study, folder, mesh=mesh, forecaster=forecaster, shared=shared)
    setup.check()
    if processes.number() > 0:
        return _follow(setup, RunPaths(out))
    with RunWriter.open(RunPaths(out), setup.study, resume) as writer:
        known = writer.known_trials()
        count = ProgressCount(setup.trials, known, study.metric, on_progress or (lambda progress: None))
        setup.say = count.say
        work = plan_run(setup, writer, known, command)
        processes.meet("planned")  # also where nothing is left to train: the other processes wait here
        if work:
            TrainingSession(setup, writer, count).train(work, partial(plan_smaller, setup, writer))
            if forecaster is not None:
                forecaster.learn_from(writer, work)
        processes.meet("trained")
        if work or labels_missing(writer):
            count.say("collecting misclassified examples")
            write_labels(setup, writer, setup.trials)
            write_mistakes(setup, writer)
        if outputs_missing(writer):
            count.say("collecting probabilities and residuals")
            write_outputs(setup, writer)
    return out


def _follow(setup: TrainingContext, paths: RunPaths) -> Path:
    """A process that is not the first: train what the first has planned."""
    processes.meet("planned")
    writer = RunWriter(paths)
    work = [(setup.make(planned, layout), blocks) for planned, layout, blocks in unfinished_cohorts(setup, writer)]
    session = TrainingSession(
        setup, writer, ProgressCount(setup.trials, set(), setup.study.metric, lambda progress: None)
    )
    session.train(work, lambda ready, blocks: [])
    processes.meet("trained")
    return paths.root
