"""``fallline.run``: train every trial of a study, in this process or in jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fallline.api.launching import launch_request
from fallline.api.requests import JobsRequest, RunRequest, put_aside
from fallline.api.result import Result
from fallline.errors import FalllineError
from fallline.store import Run, RunPaths
from fallline.study import Study

if TYPE_CHECKING:
    from fallline.training.progress import Progress
    from fallline.training.shared import Shared


def run(
    study: Study | str | Path,
    out: str | Path | None = None,
    *,
    preset: str | None = None,
    resume: bool = False,
    fresh: bool = False,
    data: str | Path | None = None,
    until_decided: bool = False,
    max_seeds: int | None = None,
    executor: str | None = None,
    options: Mapping[str, Any] | None = None,
    processes: int = 1,
    devices: str | None = None,
    scaling: bool = True,
    on_progress: Callable[[Progress], None] | None = None,
    on_message: Callable[[str], None] | None = None,
    command: str = "",
) -> Result:
    """Train every trial of ``study`` (a Study, a built-in study's name or a TOML file) that has no records in ``out``.

    ``out`` defaults to ``runs/NAME``; ``data`` is a folder with full data sets. ``resume`` continues a stopped run.
    ``fresh`` starts again: an existing folder is first renamed to ``OUT-before-1``, 2, ...

    With ``until_decided`` seeds are added in rounds, up to ``max_seeds`` (100), until every claim of the study is
    decided, or where it has none, the best arm differs significantly from each other one. The tests are corrected for
    the interim analyses.

    With an ``executor`` ("local", "slurm", "ray") jobs train the cohorts: they are launched with its ``options`` and
    waited for; see ``launch``. ``devices`` is a mesh, "trial=2,data=2": two rows that train their own seeds and lanes,
    and in each row two devices that share every batch. Where the study has a table [scale], what more devices buy is
    measured as well, unless ``scaling`` is False.

    ``on_progress`` is called with the progress of the training, ``on_message`` with a line about each round and about
    what was put aside.

    Trials of earlier forms of the study, edited since, stay in the folder and are not part of the result (``open_run``
    has ``all_rounds``). StudyError, DataError, ModelError and StoreError say what is wrong before anything is trained.

    >>> result = fallline.run("softmax/optimizers", preset="quick")                          # doctest: +SKIP
    """
    request = RunRequest.of(
        study,
        out,
        preset=preset,
        data=data,
        devices=devices,
        resume=resume,
        fresh=fresh,
        command=command,
        on_progress=on_progress,
        on_message=on_message,
    )
    jobs = None if executor is None else JobsRequest(executor, options or {}, processes)
    put_aside(request)

    def train(rounds: Study) -> Path:
        now = replace(request, study=rounds, fresh=False)
        return train_here(now) if jobs is None else _train_in_jobs(now, jobs)

    with _scaling_measured(request, wanted=scaling and jobs is None):
        if until_decided:
            from fallline.sequential import train_until_decided

            folder = train_until_decided(request.study, request.out, train, max_seeds, request.data, request.on_message)
        else:
            folder = train(request.study)
    return Result(Run(folder), request.reader)


def train_here(request: RunRequest, shared: Shared | None = None) -> Path:
    """Train in this process, with what it made for other runs of the same data; the run folder."""
    from fallline.engine import processes
    from fallline.executors.status import check_nothing_out
    from fallline.forecast import cohorts
    from fallline.training.local_run import run_here

    if processes.number() == 0:
        check_nothing_out(RunPaths(request.out))
    return run_here(
        request.study,
        request.out,
        request.resume,
        request.data,
        request.on_progress,
        request.command,
        request.mesh,
        cohorts,
        shared,
    )


def _train_in_jobs(request: RunRequest, jobs: JobsRequest) -> Path:
    """Launch jobs and wait for them; the run folder."""
    launched = launch_request(request, jobs)
    try:
        return launched.collect(on_progress=request.on_progress, on_message=request.on_message).folder
    except KeyboardInterrupt:
        if not launched.stay:
            launched.cancel()
        raise


@contextmanager
def _scaling_measured(request: RunRequest, wanted: bool) -> Iterator[None]:
    """Measure what more devices buy before the run that this guards, where the study asks and it is ``wanted``.

    Where the run is refused, nothing of the measurement is left.
    """
    if request.study.scale is None or not wanted:
        yield
        return
    from fallline.scaling.run import measure_for_run
    from fallline.store.undo import forget_measured, not_there
    from fallline.training.context import TrainingContext

    TrainingContext(request.study, request.data).check()  # before minutes of measuring
    new_folders = not_there(request.out)
    try:
        measure_for_run(request.study, request.out, request.data, request.on_message, request.command)
        yield
    except FalllineError:
        forget_measured(request.out, new_folders)
        raise
