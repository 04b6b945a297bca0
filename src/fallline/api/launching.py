"""``fallline.launch`` and ``fallline.jobs``: the jobs of a run on an executor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fallline.api.requests import JobsRequest, RunRequest, put_aside
from fallline.api.result import Result
from fallline.store import Run, RunPaths

if TYPE_CHECKING:
    import polars as pl

    from fallline.store.launches import Launch
    from fallline.study import Study
    from fallline.training.progress import Progress


@dataclass(frozen=True)
class Jobs:
    """The jobs of a run: their status, how to cancel them, and how to collect their results."""

    folder: Path
    launched: bool = True
    """False where there was nothing left to train."""
    reader: str = "python"

    @property
    def script(self) -> Path:
        """The script that the executor was, or would be, given."""
        return self._launch.script

    @property
    def described(self) -> str:
        """What was launched, in words."""
        launch = self._launch
        count = len(launch.cohorts)
        ids = ", ".join(str(array) for array, *_ in launch.ids.get("arrays", []))
        return (
            f"{count} job{'s' * (count > 1)} over {launch.executor}"
            + (f", job {ids}" if ids else "")
            + f"; what they print is in {launch.folder / 'logs'}"
        )

    @property
    def stay(self) -> bool:
        """Whether the jobs outlive the command that launched them."""
        from fallline.executors.protocol import find_executor

        return find_executor(self._launch.executor).stays

    @property
    def _launch(self) -> Launch:
        from fallline.executors.status import last_launch

        return last_launch(RunPaths(self.folder))

    def status(self) -> pl.DataFrame:
        """One row per cohort: its trials, how much is done, the state of its job and why, where it runs, attempts."""
        import polars as pl

        from fallline.executors.status import run_states

        return pl.DataFrame([asdict(state) for state in run_states(self.folder)], infer_schema_length=None)

    def cancel(self) -> None:
        """Ask the jobs to end; those that train write checkpoints first."""
        from fallline.executors.driver import cancel_run

        cancel_run(self.folder)

    def collect(
        self,
        wait: bool = True,
        on_progress: Callable[[Progress], None] | None = None,
        on_message: Callable[[str], None] | None = None,
    ) -> Result:
        """Wait for the jobs and complete the records of the run.

        JobsError where cohorts failed; what was trained is kept and can be opened. StoreError where jobs are not
        finished and ``wait`` is False.
        """
        if self.launched:
            from fallline.executors.driver import collect_run

            collect_run(self.folder, wait, on_progress, on_message)
        return Result(Run(self.folder), self.reader)


def launch(
    study: Study | str | Path,
    out: str | Path | None = None,
    *,
    executor: str,
    options: Mapping[str, Any] | None = None,
    processes: int = 1,
    preset: str | None = None,
    resume: bool = False,
    fresh: bool = False,
    data: str | Path | None = None,
    devices: str | None = None,
    dry: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
    on_message: Callable[[str], None] | None = None,
    command: str = "",
) -> Jobs:
    """Plan ``study`` as ``run`` does and launch one job per cohort on an executor, without waiting.

    ``options`` are those of the executor, by name; ``processes`` train each cohort together, on a mesh of their
    ``devices``, "data=2". ``dry``: everything but the launch; the script is in the run folder. ``fresh`` puts aside
    what the folder holds, as in ``run``. StudyError where a part of the study exists only in this process; StoreError
    where jobs of the run are not finished.
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
    put_aside(request, elsewhere=True)
    return launch_request(request, JobsRequest(executor, options or {}, processes, dry))


def launch_request(request: RunRequest, jobs: JobsRequest) -> Jobs:
    """Launch what ``request`` asks for as ``jobs`` says."""
    from fallline.executors.driver import LaunchRequest, launch_run

    launched = launch_run(
        request.study,
        request.out,
        LaunchRequest(jobs.executor, jobs.options, jobs.processes, request.mesh),
        request.resume,
        request.data,
        request.on_progress,
        request.command,
        jobs.dry,
    )
    return Jobs(request.out, launched is not None, request.reader)


def jobs(folder: str | Path, reader: str = "python") -> Jobs:
    """The jobs that were launched last for the run in ``folder``; StoreError where there were none."""
    launched = Jobs(Path(folder), reader=reader)
    _ = launched.script
    return launched
