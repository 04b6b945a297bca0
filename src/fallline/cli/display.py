"""Progress of a training in the terminal: a live bar, or a line now and then in a log file."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

if TYPE_CHECKING:
    from fallline.training.progress import Progress as TrainingProgress


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
        self.latest: TrainingProgress | None = None
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

    def on_progress(self, progress: TrainingProgress) -> None:
        """Show how far the training is."""
        if self.latest is None:
            self.known = progress.done
        self.latest, now = progress, time.monotonic()
        self.pace.update(progress, now)
        self.progress.update(
            self.task,
            completed=progress.done,
            total=progress.total,
            facts=self._facts(),
            description=f"{self.name}: {progress.phase}",
        )
        if not self.live and now - self.last >= self.EVERY_SECONDS:
            self.last = now
            share = 100 * progress.done / max(progress.total, 1)
            print(
                f"{time.strftime('%H:%M:%S')} {self.name}: {progress.phase}, {share:.0f} %, {self._facts()}",
                file=sys.stderr,
                flush=True,
            )

    def on_message(self, line: str) -> None:
        """Print a line about the rounds of a run, above the bar; each round measures its own speed."""
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
        """Trials, speed, time left, best so far, and how many ended early."""
        latest = self.latest
        assert latest is not None
        facts = [f"{latest.trials:,} of {latest.all_trials:,} trials"]
        if self.pace.steps_per_second is not None:
            facts.append(f"{self.pace.steps_per_second:,.0f} steps/s")
        if self.pace.seconds_left is not None:
            facts.append(f"{duration(self.pace.seconds_left)} left")
        if latest.best is not None:
            facts.append(f"best {latest.metric.replace('_', ' ')} {latest.best:.4g} ({latest.best_trial})")
        return ", ".join([*facts, *filter(None, [self._ended()])])

    def _ended(self) -> str:
        latest = self.latest
        assert latest is not None
        counts = {"diverged": latest.diverged, "stopped early": latest.stopped}
        return ", ".join(f"{count} {word}" for word, count in counts.items() if count)


class TrainingPace:
    """Speed and time left, from the work done since the training began: steps of large models count for more."""

    SETTLED_SECONDS = 2.0

    def __init__(self) -> None:
        self.start: tuple[float, int, float] | None = None
        self.steps_per_second: float | None = None
        self.seconds_left: float | None = None

    def update(self, progress: TrainingProgress, now: float) -> None:
        """Take in a progress at the time ``now``, in seconds."""
        if not progress.phase.startswith("training"):
            return
        if self.start is None:
            self.start = now, progress.done, progress.work
        started, done, work = self.start
        seconds = now - started
        if seconds >= self.SETTLED_SECONDS and progress.work > work:
            self.steps_per_second = (progress.done - done) / seconds
            self.seconds_left = max(0.0, progress.all_work - progress.work) * seconds / (progress.work - work)


def duration(seconds: float) -> str:
    """``75`` is "1 min 15 s"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
