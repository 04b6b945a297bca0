"""``fallline run``: progress while it trains, then the table and the report."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from fallline.errors import StudyError

if TYPE_CHECKING:
    from fallline.executors.local import Progress as News


def run_study(name: str, preset: str | None, settings: list[str], out: Path | None, data: Path | None, resume: bool,
              report: bool) -> None:
    """Load the study, lay preset and settings over it, train it, print what came out."""
    from fallline.study import Study, load_study, parse_settings, refuse_hidden

    study = load_study(name)
    study = study.preset(preset) if preset else study
    changes = parse_settings(settings, Study.model_fields)
    if "name" in changes:
        raise StudyError("the name of a study is not set from outside; choose a folder with --out instead")
    study = study.with_(changes) if changes else study
    refuse_hidden(study, changes)

    from fallline.api import default_folder, run

    folder = out or default_folder(study, preset)
    screen = Console(stderr=True)
    begun = time.perf_counter()
    try:
        with Display(screen, study.name) as display:
            result = run(study, folder, resume=resume, data=data, listen=display.hear,
                         command=shlex.join(["fallline", *sys.argv[1:]]))
    except KeyboardInterrupt:
        print(f"fallline: stopped; what was done is kept in {folder}. Go on with the same command and --resume.",
              file=sys.stderr)
        raise
    screen.print(display.closing(time.perf_counter() - begun), highlight=False)

    from fallline.cli.screens import print_whole, room
    from fallline.report.terminal import table

    print_whole(table(result.records, width=room()))
    if report:
        with screen.status("writing the report"):
            page = result.report()
        print(f"report: {page}")


class Display:
    """A live bar in a terminal, a line now and then in a log file."""

    EVERY_SECONDS = 10.0

    def __init__(self, console: Console, name: str):
        self.live = console.is_terminal
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
                   TextColumn("{task.fields[speed]}"), TimeRemainingColumn(), TextColumn("{task.fields[lost]}"))
        self.progress = Progress(*columns, console=console, disable=not self.live)
        self.task = self.progress.add_task(name, total=None, speed="", lost="")
        self.name, self.last = name, time.monotonic()
        self.first: tuple[float, int] | None = None
        self.latest: News | None = None
        self.known = 0

    def __enter__(self) -> Display:
        self.progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.progress.stop()

    def hear(self, news: News) -> None:
        """Show what the executor tells."""
        done, total, diverged, phase = news.done, news.total, news.diverged, news.phase
        if self.latest is None:
            self.known = done
        self.latest = news
        now = time.monotonic()
        if self.first is None and phase == "training":
            self.first = (now, done)
        speed = self._speed(now, done)
        lost = f"{diverged} diverged" if diverged else ""
        self.progress.update(self.task, completed=done, total=total, speed=speed, lost=lost,
                             description=f"{self.name}: {phase}")
        if not self.live and now - self.last >= self.EVERY_SECONDS:
            self.last = now
            print(f"{self.name}: {phase}, {100 * done / max(total, 1):.0f} % of {total:,} trial-steps {speed} {lost}",
                  file=sys.stderr, flush=True)

    def closing(self, seconds: float) -> str:
        """One line on what was done."""
        if self.latest is None:
            return f"{self.name}: every trial was already there, nothing was trained"
        trained = self.latest.total - self.known
        return f"{self.name}: {trained:,} trial-steps in {seconds:.1f} s"

    def _speed(self, now: float, done: int) -> str:
        if self.first is None or now <= self.first[0]:
            return ""
        return f"{(done - self.first[1]) / (now - self.first[0]):,.0f} steps/s"
