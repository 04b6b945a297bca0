"""What Python users call: run a study, open its folder, get frames, figures and a report; measure what devices buy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from fallline.contracts import MetricName
from fallline.errors import FalllineError, StoreError, UnknownName
from fallline.store import Run, RunPaths
from fallline.store import open_run as open_records
from fallline.store.files import PARQUET_FAILURES
from fallline.study import Study, load_study
from fallline.study.formatting import failure_summary

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas

    from fallline.engine.mesh import Mesh
    from fallline.forecast.study import Forecast
    from fallline.report.comparison import Comparison
    from fallline.report.scaling import Scaled
    from fallline.store.launches import Launch
    from fallline.store.verify import Verification
    from fallline.training.progress import OnProgress


@dataclass(frozen=True)
class Result:
    """The records of a run, and what can be made of them."""

    records: Run
    reader: str = "python"
    """Who reads: noted in the run folder beside what is shown of the test split."""

    @property
    def folder(self) -> Path:
        return self.records.folder

    @property
    def study(self) -> Study:
        return self.records.study

    @property
    def trials(self) -> pl.DataFrame:
        """One row a trial: its recipe, seed, status, best and final values; where data was cut, one a fold.

        The run folder notes that the test values of every trial were handed out.
        """
        _ = self._handed_out
        return self.records.fold_trials

    @cached_property
    def _handed_out(self) -> None:
        """Noted once an opening of the folder."""
        if any(MetricName.parse(name).split == "test" for name in self.records.trials.columns):
            from fallline.report.test_reads import read_all

            read_all(self.records, self.reader)

    @property
    def curves(self) -> pl.DataFrame:
        """One row a (trial, step); where data was cut, of each fold. All of them in memory: see ``scan_curves``."""
        try:
            return self.scan_curves().collect()
        except PARQUET_FAILURES as failure:
            raise StoreError(
                f"a file in {self.records.paths.root / 'curves'} was damaged after it was written: "
                f"{failure_summary(failure)}"
            ) from None

    def scan_curves(self) -> pl.LazyFrame:
        """``curves`` as a lazy frame: nothing is read before its ``collect``, and then only what is asked for.

        For many points: ``.collect(engine="streaming")``, which holds no more of them in memory than it must.
        """
        return self.records.fold_curves

    def weights(self, trial: str) -> dict[str, Any]:
        """The weights of a trial of a small model after its last step: arrays by their place in the model.

        A trial may be named by its first letters. StoreError where the run has no such trial, or kept no weights of it.
        """
        import numpy as np

        rows = self.records.weights.filter(pl.col("trial") == self._trial(trial)).collect()
        if rows.is_empty():
            raise StoreError(f"no weights of trial {trial} were kept: it diverged, or its model is a large one")
        return {
            name: np.array(values, np.float32).reshape(shape)
            for name, shape, values in rows.select("array", "shape", "values").iter_rows()
        }

    def learnt(self, trial: str) -> dict[str, float]:
        """What a trial of a network of neurons learnt: its parameters by name, and ``bias_NEURON`` of each neuron."""
        from fallline.networks import learnt, parse

        task = self.records.fold_trials.filter(pl.col("trial") == self._trial(trial))["task"][0]
        if task not in self.records.model_texts:
            raise StoreError(f"trial {trial} is of task {task}, whose model is no network of neurons")
        return learnt(parse(self.records.model_texts[task]), self.weights(trial))

    def _trial(self, trial: str) -> str:
        """The full name of the one trial whose name begins so."""
        found = self.records.fold_trials.filter(pl.col("trial").str.starts_with(trial))["trial"].to_list()
        if len(found) != 1:
            problem = "has no trial" if not found else f"has {len(found)} trials"
            raise StoreError(
                f"the run in {self.folder} {problem} whose name begins with {trial!r}; "
                "the names are the column trial of its trials"
            )
        return found[0]

    def summary(self) -> pl.DataFrame:
        """One row a configuration: mean, sd, n and 95 % interval over its seeds, best first."""
        from fallline.stats import summary

        _ = self._handed_out
        return summary(self.records)

    def claims(self, comparisons: bool = False) -> pl.DataFrame:
        """One row a claim of the study: its verdict and the figures it rests on; or one row a comparison."""
        from fallline.report.claims import overview, parts_frame
        from fallline.report.test_reads import read_named
        from fallline.stats.claims import claims

        verdicts = claims(self.records)
        read_named(self.records, self.reader, verdicts)
        return parts_frame(verdicts) if comparisons else overview(self.records)

    def __str__(self) -> str:
        """What ``fallline show`` prints: the answer, its table, and what to type next."""
        from fallline.report.terminal import shown
        from fallline.report.test_reads import read_chosen

        if self.records.trials.is_empty():
            return f"the run in {self.folder} has no finished trial yet"
        read_chosen(self.records, self.reader)
        return str(shown(self.records))

    def compare(
        self, by: str | Sequence[str] | None = None, metric: str | None = None, tune: str | Sequence[str] | None = None
    ) -> Comparison:
        """The arms told apart by the column or columns ``by``: which is best, and which differences are real.

        ``by`` is by default what the study varies: the optimizer, else its other parts, else its numbers. ``metric`` is
        what is compared, by default what ranks the run; ``tune`` the numbers chosen for each arm on validation, by
        default all that vary. Print it for the answer in words; ``arms`` and ``pairs`` are its frames.
        """
        from fallline.report.comparison import Comparison
        from fallline.report.test_reads import read_compared

        found = Comparison.of(self.records, by, metric, tune)
        return replace(found, read=tuple(read_compared(found.compared, self.reader)))

    def tuning(self, by: str | Sequence[str] = "optimizer") -> pl.DataFrame:
        """How well each arm was tuned: its tries and budget, borders, good range of rates, defaults, special cases.

        One row an arm, the best first; ``fallline.stats.tuning.tuning`` names the columns.
        """
        from fallline.stats.tuning import tuning

        return tuning(self.records, by)

    def verify(self) -> Verification:
        """Whether every file of the run folder is what was written; see ``fallline.verify``."""
        return verify(self.folder)

    def figure(self, name: str) -> Any:
        """A figure of the report by name, an altair chart; in a notebook it shows itself."""
        from fallline.report import figure

        return figure(self.records, name)

    def pandas(self, table: str = "trials") -> pandas.DataFrame:
        """The frame "trials", "curves" or "summary" for pandas; needs ``pip install 'fallline[pandas]'``."""
        from fallline.exporting import pandas_frame

        return pandas_frame(self.records, table)

    def export(
        self,
        to: str,
        out: str | Path | None = None,
        *,
        points: int = 200,
        progress: Callable[[int, int], None] | None = None,
    ) -> Path:
        """Write the run to the new folder ``out`` for another tool: "tensorboard", "mlflow", "parquet" or "csv".

        ``out`` defaults to ``exports/TO`` in the run folder. Of each curve of a trial TensorBoard and MLflow get at
        most ``points`` points, evenly spread, 0: all. ``progress`` hears how many trials of how many are written.
        """
        from fallline.exporting import export

        return export(self.records, to, None if out is None else Path(out), points, progress)

    def figures(
        self, *names: str, formats: Sequence[str] = ("svg", "pdf", "png"), folder: str | Path | None = None
    ) -> list[Path]:
        """Write the figures of the report, or those ``names``, as files; their paths.

        ``folder`` is by default report/figures in the run folder. For a chart to show or change: ``figure``.

        >>> result.figures("sensitivity", formats=["pdf"], folder="paper")                  # doctest: +SKIP
        """
        from fallline.report import write_figures

        return write_figures(self.records, names, formats, None if folder is None else Path(folder))

    def report(self, path: str | Path | None = None) -> Path:
        """Write the report page and its tables; the path of the page."""
        from fallline.report import write_report

        return write_report(self.records, None if path is None else Path(path), self.reader)


def run(
    study: Study | str | Path,
    out: str | Path | None = None,
    *,
    preset: str | None = None,
    resume: bool = False,
    data: str | Path | None = None,
    listen: OnProgress | None = None,
    command: str = "",
    until_decided: bool = False,
    max_seeds: int | None = None,
    tell: Callable[[str], None] | None = None,
    executor: str | None = None,
    options: Mapping[str, Any] | None = None,
    processes: int = 1,
    devices: str | None = None,
    scaling: bool = True,
    fresh: bool = False,
) -> Result:
    """Train every trial of ``study`` (a Study, a built-in study's name or a TOML file) that has no records in ``out``.

    ``out`` defaults to ``runs/NAME``; ``data`` is a folder with full data sets. With ``until_decided`` seeds are added
    in rounds, up to ``max_seeds`` (100), until every claim of the study is decided, or where it has none, the best arm
    is told apart from each other one; the tests are corrected for looking more than once, and ``tell`` hears a line
    about each round. With an ``executor`` ("local", "slurm", "ray") cohorts are trained by jobs elsewhere, launched
    with its ``options``, and waited for; see ``launch``. ``devices`` are those of a mesh, "trial=2,data=2": two rows
    that train seeds and lanes of their own, two devices a row that share each batch. A study with a table [scale] has
    what more devices buy measured as well, unless ``scaling`` is False. What the folder holds of earlier forms of the
    study, edited since, is kept and is no part of the result (``open_run`` has ``all_rounds``). ``fresh`` begins anew:
    the folder that is there is first renamed to ``OUT-before-1``, 2, ..., and ``tell`` hears it. StudyError, DataError,
    ModelError and StoreError say what is wrong before anything is trained.
    """
    study, out, folder = _resolved(study, preset, out, data)
    mesh = _mesh(devices)
    if fresh:
        _begin_anew(study, out, folder, resume, mesh, tell)

    def train(whole: Study) -> Path:
        if executor is None:
            from fallline.engine import processes as group
            from fallline.executors.status import check_nothing_out
            from fallline.forecast import cohorts
            from fallline.training.local_run import run_here

            if group.number() == 0:
                check_nothing_out(RunPaths(out))
            return run_here(whole, out, resume, folder, listen, command, mesh, cohorts)
        launched = launch(
            whole,
            out,
            executor=executor,
            options=options,
            processes=processes,
            resume=resume,
            data=data,
            listen=listen,
            command=command,
            devices=devices,
        )
        try:
            return launched.collect(listen=listen, tell=tell).folder
        except KeyboardInterrupt:
            if not launched.stay:
                launched.cancel()
            raise

    reader = " ".join(command.split()[:2]) or "python"
    with _measured(study, out, folder, tell, command, wanted=scaling and executor is None):
        if not until_decided:
            return Result(Run(train(study)), reader)
        from fallline.sequential import train_until_decided

        return Result(Run(train_until_decided(study, out, train, max_seeds, folder, tell)), reader)


@contextmanager
def _measured(
    study: Study, out: Path, folder: Path | None, tell: Callable[[str], None] | None, command: str, wanted: bool
) -> Iterator[None]:
    """Measure what more devices buy before the run that this guards, where the study asks and it is ``wanted``; of a
    run that is refused nothing is left."""
    if study.scale is None or not wanted:
        yield
        return
    from fallline.scaling.run import measure_for_run
    from fallline.store.undo import forget_measured, not_there
    from fallline.training.context import TrainingContext

    TrainingContext(study, folder).check()  # the names, before minutes of measuring
    made = not_there(out)
    try:
        measure_for_run(study, out, folder, tell, command)
        yield
    except FalllineError:
        forget_measured(out, made)
        raise


def _begin_anew(
    study: Study,
    out: Path,
    data: Path | None,
    resume: bool,
    mesh: Mesh | None,
    tell: Callable[[str], None] | None,
    elsewhere: bool = False,
) -> None:
    """Put the run folder aside once the study is known to be lawful."""
    from fallline.executors.fresh_start import begin_anew

    aside = begin_anew(study, out, data, resume, mesh, elsewhere)
    if aside is not None and tell is not None:
        tell(f"what was in {out} is now in {aside}; nothing of it is used here")


def _mesh(devices: str | None) -> Mesh | None:
    """The mesh that ``devices`` names, None where it names none."""
    if devices is None:
        return None
    from fallline.engine.mesh import Mesh

    return Mesh.parse(devices)


@dataclass(frozen=True)
class Jobs:
    """The jobs of a run: how they stand, an end to them, and what they left."""

    folder: Path
    launched: bool = True
    """False where there was nothing left to train."""
    reader: str = "python"

    @property
    def script(self) -> Path:
        """What was, or would be, given to whoever runs the jobs."""
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
        """Whether the jobs are meant to outlive the command that launched them."""
        from fallline.executors.protocol import find_executor

        return find_executor(self._launch.executor).stays

    @property
    def _launch(self) -> Launch:
        from fallline.executors.status import last_launch
        from fallline.store.paths import RunPaths

        return last_launch(RunPaths(self.folder))

    def status(self) -> pl.DataFrame:
        """One row a cohort: its trials, what is done, how its job stands and why, where it runs, its attempts."""
        from dataclasses import asdict

        from fallline.executors.status import run_states

        return pl.DataFrame([asdict(state) for state in run_states(self.folder)], infer_schema_length=None)

    def cancel(self) -> None:
        """Ask the jobs to end; those that train write checkpoints first."""
        from fallline.executors.driver import cancel_run

        cancel_run(self.folder)

    def collect(
        self, wait: bool = True, listen: OnProgress | None = None, tell: Callable[[str], None] | None = None
    ) -> Result:
        """Wait for the jobs and finish the run's records.

        JobsError where cohorts failed; what was trained is kept and can be opened. StoreError where jobs are out and
        ``wait`` is False.
        """
        if self.launched:
            from fallline.executors.driver import collect_run

            collect_run(self.folder, wait, listen, tell)
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
    data: str | Path | None = None,
    listen: OnProgress | None = None,
    command: str = "",
    dry: bool = False,
    devices: str | None = None,
    fresh: bool = False,
    tell: Callable[[str], None] | None = None,
) -> Jobs:
    """Plan ``study`` as ``run`` does and launch a job a cohort over an executor, without waiting.

    ``processes`` train each cohort together, on a mesh of their ``devices``, "data=2". ``dry``: all but the launch; the
    script is in the run folder. ``fresh`` puts aside what is there, as in ``run``. StudyError where a part of the study
    lives in this process alone; StoreError where jobs of the run are out already.
    """
    from fallline.executors.driver import LaunchRequest, launch_run

    study, out, folder = _resolved(study, preset, out, data)
    ask = LaunchRequest(executor, options or {}, processes, _mesh(devices))
    if fresh:
        _begin_anew(study, out, folder, resume, ask.mesh, tell, elsewhere=True)
    launched = launch_run(study, out, ask, resume, folder, listen, command, dry)
    return Jobs(out, launched is not None, " ".join(command.split()[:2]) or "python")


def jobs(folder: str | Path, reader: str = "python") -> Jobs:
    """The jobs that were launched last for the run in ``folder``; StoreError where there were none."""
    found = Jobs(Path(folder), reader=reader)
    _ = found.script
    return found


def _resolved(
    study: Study | str | Path, preset: str | None, out: str | Path | None, data: str | Path | None
) -> tuple[Study, Path, Path | None]:
    """The study itself, its run folder, the folder of full data."""
    study = study if isinstance(study, Study) else load_study(study)
    study = study.preset(preset) if preset else study
    _check_figures(study)
    return study, Path(out) if out is not None else default_folder(study, preset), None if data is None else Path(data)


def verify(folder: str | Path) -> Verification:
    """Look at every file of a run folder: what is wrong, and what to do about it. Print it, or ask ``if verify(...)``.

    Checksums, counts and names of every block, the plan against the study, checkpoints, lock, left-overs and all that
    stands beside. Nothing is written. StoreError where the folder is none of a run.
    """
    from fallline.store.verify import verify

    return verify(folder)


def repair_run(folder: str | Path) -> tuple[str, ...]:
    """Move what ``verify`` finds damaged aside, into ``damaged/`` of the run folder; a line on each thing done.

    Running the study again with ``resume`` makes it anew. StoreError while a run is under way there.
    """
    from fallline.store.verify import repair

    return repair(folder)


def scale(
    study: Study | str | Path,
    devices: Sequence[int | str] | str | None = None,
    out: str | Path | None = None,
    *,
    preset: str | None = None,
    data: str | Path | None = None,
    batch_sizes: Sequence[int] | None = None,
    repeats: int | None = None,
    seconds: float | None = None,
    tell: Callable[[str], None] | None = None,
    follow: Callable[[str], None] | None = None,
    command: str = "",
) -> Scaled:
    """Measure what more devices buy for ``study``: its steps on each of ``devices``, with one batch split over them, a
    batch on each, and a trial on each.

    ``devices`` are counts such as 4, or "2x3" for two hosts of three; one device is always measured. Each is measured
    in processes of its own, on a CPU with the CPU cut up. ``batch_sizes`` are by default those of the study, each
    program is timed ``repeats`` times for about so many ``seconds``. What the folder ``out`` (``runs/NAME-scale``) has
    already is not measured again. ``tell`` hears a line a count, ``follow`` one a program. StudyError for more
    devices than there are, or a batch that cannot be measured.
    """
    from fallline.report.scaling import Scaled
    from fallline.scaling.run import ScaleRequest, measure_scaling

    study = study if isinstance(study, Study) else load_study(study)
    study = study.preset(preset) if preset else study
    asked = ScaleRequest.of(study, devices, batch_sizes, repeats, seconds)
    folder = Path(out) if out is not None else Path(f"{default_folder(study, preset)}-scale")
    return Scaled.open(
        measure_scaling(study, folder, asked, None if data is None else Path(data), tell, follow, command)
    )


def plan_study(
    study: Study | str | Path,
    *,
    preset: str | None = None,
    data: str | Path | None = None,
    device: str | None = None,
    compile_all: bool = False,
    measure: bool = False,
    calibrate_again: bool = False,
    tell: Callable[[str], None] | None = None,
) -> Forecast:
    """What ``study`` would take, before it trains: cohorts, FLOPs, memory, time, disk, each as a range.

    Programs that no run compiled before are counted by law, ``compile_all`` compiles them; the first time the device is
    calibrated, which takes a second or two.
    ``device`` names one that is not here ("h100"): its figures are those of its data sheet. ``measure`` tries every
    cohort for a moment, each in a process of its own; ``calibrate_again`` measures this device anew. ``tell`` hears of
    what takes time. StudyError, DataError and ModelError say what is wrong.
    """
    from fallline.forecast.study import forecast_study

    study = study if isinstance(study, Study) else load_study(study)
    study = study.preset(preset) if preset else study
    return forecast_study(
        study, None if data is None else Path(data), device, compile_all, measure, calibrate_again, tell
    )


def utilisation(
    task: Any,
    batches: Sequence[int] | None = None,
    *,
    optimizer: Any = "adam",
    data: str = "sample",
    folder: str | Path | None = None,
    tell: Callable[[str], None] | None = None,
) -> pl.DataFrame:
    """How well this device is used by training ``task`` at each batch size (1 to 4,096 by default), a row a size.

    One lane trains alone for a moment at each. The columns are those of ``fallline.forecast.utilisation``; ``data``
    is "sample" or "full", ``folder`` holds full data sets. StudyError, UnknownName and DataError say what is wrong.
    """
    from fallline.forecast.utilisation import BATCHES
    from fallline.forecast.utilisation import utilisation as measured

    return measured(task, batches or BATCHES, optimizer, data, None if folder is None else Path(folder), tell)


def default_folder(study: Study, preset: str | None = None) -> Path:
    """Where a run goes when no folder is named."""
    return Path("runs") / "-".join(filter(None, [study.name.replace("/", "-"), preset]))


def _check_figures(study: Study) -> None:
    """A figure that there is not is an error before the training, not after it; one of a preset as well."""
    wanted = [
        (f"{study.name}, figures, {number} of {len(study.figures)}", figure.kind)
        for number, figure in enumerate(study.figures, start=1)
    ]
    for name, changes in study.presets.items():
        own = changes.get("figures")
        wanted += [
            (f"{study.name}, presets.{name}, figures, {number} of {len(own)}", figure["kind"])
            for number, figure in enumerate(own if isinstance(own, list) else [], start=1)
            if isinstance(figure, dict) and "kind" in figure
        ]
    if wanted:
        from fallline.report.figures import figure_kinds

        for where, kind in wanted:
            if kind not in figure_kinds():
                raise UnknownName("figure", kind, figure_kinds(), where)


def open_run(folder: str | Path, reader: str = "python", all_rounds: bool = False) -> Result:
    """The result in a run folder, or StoreError where there is none; ``reader`` is noted with what is read of test.

    It is about the study as it stands. With ``all_rounds`` trials of earlier forms of it, edited since, count as well.
    """
    records = open_records(folder, all_rounds)
    if records.trials.is_empty():
        if records.earlier.height:
            from fallline.report.earlier import earlier_in_words

            raise StoreError(
                f"the run in {folder} has no finished block yet of the study as it stands; go on with it: "
                f"the command that began it, and --resume. {earlier_in_words(records)}"
            )
        raise StoreError(
            f"the run in {folder} has no finished block yet; go on with it: the command that began it, and --resume"
        )
    return Result(records, reader)
