"""``fallline run``: progress while it trains, then the table and the report."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from fallline.cli.ending import ENDING, say
from fallline.cli.terminal import new_screen
from fallline.errors import StudyError

if TYPE_CHECKING:
    from fallline.api import Result
    from fallline.study import Study
    from fallline.training.progress import Progress as News


def run_study(
    name: str,
    preset: str | None,
    settings: list[str],
    out: Path | None,
    data: Path | None,
    resume: bool,
    report: bool,
    rounds: dict[str, Any],
    elsewhere: dict[str, Any],
) -> None:
    """Load the study, lay preset and settings over it, train it, print what came out.

    ``rounds`` are the arguments ``until_decided``, ``max_seeds`` and ``scaling`` of ``fallline.run``, ``elsewhere``
    those of ``fallline.launch`` that concern jobs, and whether to ``wait``.
    """
    study = chosen_study(name, preset, settings)
    if rounds["max_seeds"] is not None and not rounds["until_decided"]:
        raise StudyError(
            "--max-seeds says where --until-decided ends, which is not given; for a fixed number of seeds write --seeds"
        )

    from fallline.api import default_folder, run
    from fallline.engine.processes import number

    folder = out or default_folder(study, preset)
    from fallline.cli.jobs import launch_study, over_which

    executor = over_which(elsewhere)
    if executor is not None and not rounds["until_decided"]:
        launch_study(study, folder, elsewhere | {"executor": executor}, data, resume, report)
        return
    if rounds["until_decided"] and (elsewhere["dry"] or not elsewhere["wait"]):
        raise StudyError(
            "--until-decided looks at the run after each round, so it waits for the jobs of each; leave "
            "out --no-wait and --dry-run"
        )
    screen = new_screen(stderr=True)
    begun = time.perf_counter()
    ENDING.second = (
        f"ended at once; what was done up to the last checkpoint is kept in {folder}. Go on with the same "
        "command and --resume."
    )
    try:
        with Display(screen, study.name) as display:
            result = run(
                study,
                folder,
                resume=resume,
                data=data,
                listen=display.hear,
                tell=display.tell,
                **rounds,
                devices=elsewhere["devices"],
                fresh=elsewhere["fresh"],
                executor=executor,
                options=elsewhere["options"],
                processes=elsewhere["processes"],
                command=shlex.join(["fallline", *sys.argv[1:]]),
            )
    except KeyboardInterrupt:
        say_stopped(folder)
        raise
    ENDING.second = ""
    screen.print(display.closing(time.perf_counter() - begun), highlight=False, markup=False)
    if number() > 0:
        return  # the first of the processes tells what came out
    print_outcome(result, report, screen)


def print_outcome(result: Result, report: bool, screen: Console) -> None:
    """The answer of a run and its table, as soon as they are known; then its page, where one is wanted, and what to
    type next.

    Whatever fails while the answer is printed, be it that its reader left (``fallline run ... | head``): the page is
    written all the same, before the failure goes on.
    """
    from fallline.cli.screens import print_after, print_shown
    from fallline.report.test_reads import read_chosen

    left = found = page = None
    try:
        try:
            found = print_shown(result.records)
            sys.stdout.flush()
        except Exception as failure:
            left = failure
        if report:
            with screen.status("writing the page"):
                page = result.report()
        else:
            read_chosen(result.records, result.reader)
    except KeyboardInterrupt:
        say(f"stopped; all is trained and kept in {result.folder}. fallline report {result.folder} writes its page.")
        raise
    if left is not None:
        raise left
    assert found is not None
    print_after(found, page)


def say_stopped(folder: Path) -> None:
    """The last that is said of a run that was interrupted: what is kept of it, and how to go on."""
    ENDING.second = ""
    if (folder / "plan.json").exists():
        say(f"stopped; what was done is kept in {folder}. Go on with the same command and --resume.")
    else:
        say("stopped before anything was trained; nothing is left of it.")


def chosen_study(name: str, preset: str | None, settings: list[str]) -> Study:
    """The study of that name or file, with the preset and then the settings laid over it."""
    from fallline.study import Study, load_study, parse_settings, refuse_hidden

    study = load_study(name)
    study = study.preset(preset) if preset else study
    changes = parse_settings(settings, Study.model_fields)
    if "name" in changes:
        raise StudyError("the name of a study is not set from outside; choose a folder with --out instead")
    study = study.with_(changes) if changes else study
    refuse_hidden(study, changes)
    return study


class Display:
    """A live bar in a terminal, a line now and then in a log file."""

    EVERY_SECONDS = 10.0

    def __init__(self, console: Console, name: str):
        self.live = console.is_terminal
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            TaskProgressColumn(),
            TextColumn("{task.fields[facts]}", markup=False),
        )
        self.progress = Progress(*columns, console=console, disable=not self.live)
        self.task = self.progress.add_task(name, total=None, facts="")
        self.name, self.last = name, time.monotonic()
        self.latest: News | None = None
        self.known = 0
        self.pace = TrainingPace()

    def __enter__(self) -> Display:
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.progress.stop()
        except OSError:  # the terminal hung up
            if error is None:
                raise

    def hear(self, news: News) -> None:
        """Show what the executor tells."""
        if self.latest is None:
            self.known = news.done
        self.latest, now = news, time.monotonic()
        self.pace.hear(news, now)
        self.progress.update(
            self.task,
            completed=news.done,
            total=news.total,
            facts=self._facts(),
            description=f"{self.name}: {news.phase}",
        )
        if not self.live and now - self.last >= self.EVERY_SECONDS:
            self.last = now
            share = 100 * news.done / max(news.total, 1)
            print(
                f"{time.strftime('%H:%M:%S')} {self.name}: {news.phase}, {share:.0f} %, {self._facts()}",
                file=sys.stderr,
                flush=True,
            )

    def tell(self, line: str) -> None:
        """Print a line about the rounds of a run, above the bar; the pace is taken anew in each round."""
        self.pace = TrainingPace()
        self.progress.console.print(f"{self.name}: {line}", highlight=False, markup=False, soft_wrap=True)

    def closing(self, seconds: float) -> str:
        """One line on what was done."""
        if self.latest is None:
            return f"{self.name}: every trial was already there, nothing was trained"
        trained = self.latest.total - self.known
        ended = self._ended()
        return f"{self.name}: {trained:,} trial-steps in {seconds:.1f} s" + (f"; {ended}" if ended else "")

    def _facts(self) -> str:
        """Trials, speed, time left, best so far, and how many ended before their time."""
        news = self.latest
        assert news is not None
        facts = [f"{news.trials:,} of {news.all_trials:,} trials"]
        if self.pace.steps_a_second is not None:
            facts.append(f"{self.pace.steps_a_second:,.0f} steps/s")
        if self.pace.seconds_left is not None:
            facts.append(f"{duration(self.pace.seconds_left)} left")
        if news.best is not None:
            facts.append(f"best {news.metric.replace('_', ' ')} {news.best:.4g} ({news.best_trial})")
        return ", ".join([*facts, *filter(None, [self._ended()])])

    def _ended(self) -> str:
        news = self.latest
        assert news is not None
        counts = {"diverged": news.diverged, "stopped early": news.stopped}
        return ", ".join(f"{count} {word}" for word, count in counts.items() if count)


class TrainingPace:
    """Speed and time left, by the work done since training began: steps of large models count for more."""

    SETTLED_SECONDS = 2.0

    def __init__(self) -> None:
        self.begun: tuple[float, int, float] | None = None
        self.steps_a_second: float | None = None
        self.seconds_left: float | None = None

    def hear(self, news: News, now: float) -> None:
        if not news.phase.startswith("training"):
            return
        if self.begun is None:
            self.begun = now, news.done, news.work
        begun, done, work = self.begun
        spent = now - begun
        if spent >= self.SETTLED_SECONDS and news.work > work:
            self.steps_a_second = (news.done - done) / spent
            self.seconds_left = max(0.0, news.all_work - news.work) * spent / (news.work - work)


def duration(seconds: float) -> str:
    """``75`` is "1 min 15 s"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
