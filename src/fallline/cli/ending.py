"""Ending a command by a signal: the first lets it end in order, a second ends it at once.

Ctrl-C (SIGINT), SIGTERM and SIGHUP are handled alike. The first is raised as KeyboardInterrupt, so that a run writes
its checkpoints, releases its lock and says how to continue. The exit status is 128 + the number of the signal.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

CURSOR = "\x1b[?25h"
"""Shows the cursor of a terminal again, which a progress bar hides."""


class Ending:
    """Handles the signals that end a command, within its context. ``heard`` are their numbers, ``second`` the message
    when a second one comes before the command has ended in order."""

    def __init__(self) -> None:
        self.heard: list[int] = []
        self.second = ""
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Ending:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                before = signal.getsignal(number)
                if before not in (signal.SIG_IGN, None):  # nohup and shells ignore a signal on purpose
                    self._before[number] = before
                    signal.signal(number, self._hear)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            if signal.getsignal(number) == self._hear:  # the command has ended: one more signal changes nothing
                signal.signal(number, signal.SIG_IGN if self.heard else before)
        if self.heard and kind is not None:
            from fallline.store.lock import release_held

            release_held()
            raise SystemExit(128 + self.heard[0]) from None

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self.heard.append(number)
        if len(self.heard) == 1:
            raise KeyboardInterrupt
        from fallline.store.lock import release_held

        release_held()
        text = f"fallline: {self.second}\n" if self.second else ""
        cursor = CURSOR if text and sys.stderr is not None and sys.stderr.isatty() else ""
        try:
            os.write(2, (cursor + text).encode("utf-8", "replace"))
        finally:
            os._exit(128 + self.heard[0])


ENDING = Ending()
"""Of the command of this process."""


def say(text: str) -> None:
    """Print it on stderr where possible: a terminal that hung up must not change how the command ends."""
    with suppress(OSError, ValueError):
        print(f"fallline: {text}", file=sys.stderr, flush=True)


def say_stopped(folder: Path) -> None:
    """The last message of a run that was interrupted: what is kept of it, and how to continue."""
    ENDING.second = ""
    if (folder / "plan.json").exists():
        say(f"stopped; what was done is kept in {folder}. Continue with the same command and --resume.")
    else:
        say("stopped before anything was trained; nothing is left of it.")
