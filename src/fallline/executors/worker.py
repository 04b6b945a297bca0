"""A worker: trains what is left of one cohort of a plan, and writes only files of its own. ``fallline work PLAN K``."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from fallline.engine import processes
from fallline.errors import FalllineError, ProcessError, StoreError, StudyError
from fallline.executors.protocol import AGAIN, CONTINUE, GIVEN_UP, MOST_ATTEMPTS
from fallline.store.launches import CONTINUED, DONE, FAILED, TRAINING, WorkerNote, in_vain, notes, standing, write_note
from fallline.store.leases import Leases
from fallline.store.paths import RunPaths
from fallline.store.place import held
from fallline.store.resolved import read_study
from fallline.store.writing import RunWriter
from fallline.study.formatting import failure_summary

if TYPE_CHECKING:
    from fallline.training.progress import Progress

NOTE_SECONDS = 1.0
LOOK_SECONDS = 1.0
"""How often a worker looks whether another one is done with a block."""


class StopSignal:
    """Whether the worker was asked to stop; a signal handler may ask, before this is there or after."""

    def __init__(self, heard: list[int] | None = None) -> None:
        self.heard = [] if heard is None else heard
        self.then: Callable[[], None] = lambda: None

    @property
    def asked(self) -> bool:
        return bool(self.heard)

    def ask(self, number: int = 0, *_: object) -> None:
        self.heard.append(number)
        self.then()


def work(plan: Path, cohort: int, stop: StopSignal | None = None) -> int:
    """Train the blocks of the plan's cohort that have no records yet; the exit code.

    0: all of it is done. ``CONTINUE``: asked to stop, checkpoints written. ``AGAIN``: failed, another attempt may do
    better. ``GIVEN_UP``: no use to try again. StoreError where there is no such plan or cohort.
    """
    paths = RunPaths(plan.parent if plan.is_file() else plan)
    writer = RunWriter(paths)  # without the lock: a worker writes only the files of its own blocks
    planned = writer.planned_cohorts()
    if not paths.plan.is_file():
        raise StoreError(f"there is no plan {plan}; fallline run STUDY --executor ... writes one, plan.json")
    if not 0 <= cohort < len(planned):
        raise StoreError(f"{paths.plan} has cohorts 0 ... {len(planned) - 1}, and no {cohort}")
    attempt = _Attempt(paths, writer, cohort, planned[cohort], stop or StopSignal())
    if attempt.is_over:
        print(f"fallline: cohort {cohort} is done already")
        return 0
    with held(paths.root):
        return attempt.run()


class _Attempt:
    """One start of a worker that has something to do."""

    def __init__(self, paths: RunPaths, writer: RunWriter, cohort: int, written: dict[str, Any], stop: StopSignal):
        self.paths, self.writer, self.cohort, self.written, self.stop = paths, writer, cohort, written, stop
        self.blocks = [block["name"] for block in written["blocks"]]
        number = os.environ.get("FALLLINE_LAUNCH", "")
        self.folder = paths.launches / (f"{int(number):03d}" if number.isdecimal() else "by-hand")
        self.counts = number.isdecimal()
        self.job = os.environ.get("FALLLINE_JOB", "")
        self.note = WorkerNote(cohort, standing(paths, self.blocks), self.job)
        self.noted = 0.0

    @property
    def is_over(self) -> bool:
        return all(map(self.writer.is_done, self.blocks))

    def run(self) -> int:
        vain = in_vain(notes(self.folder, self.cohort), self.note.standing) if self.counts else []
        if len(vain) >= MOST_ATTEMPTS:
            return self._end(
                FAILED,
                f"given up after {len(vain)} attempts that came no further; the last: "
                f"{vain[-1].reason or 'it was killed'}",
                GIVEN_UP,
            )
        self._tell(self.note)
        try:
            self._train()
        except ProcessError as failure:
            processes.leave(self._end(FAILED, str(failure), AGAIN if len(vain) + 1 < MOST_ATTEMPTS else GIVEN_UP))
        except FalllineError as failure:
            again = isinstance(failure, StoreError) and len(vain) + 1 < MOST_ATTEMPTS
            return self._end(FAILED, str(failure), AGAIN if again else GIVEN_UP)
        except Exception as failure:
            import traceback

            traceback.print_exc()
            again = len(vain) + 1 < MOST_ATTEMPTS
            reason = failure_summary(failure) if again else f"failed {len(vain) + 1} times: {failure_summary(failure)}"
            return self._end(FAILED, reason, AGAIN if again else GIVEN_UP)
        if self.is_over or processes.number() > 0:  # the first of several says how it ended
            return self._end(DONE, "", 0)
        return self._end(CONTINUED, "asked to stop; its checkpoints are written", CONTINUE)

    def _train(self) -> None:
        """Train what nobody else trains just now, until nothing is left or someone asks to stop."""
        from fallline.engine.devices import device_name
        from fallline.training.context import TrainingContext
        from fallline.training.planning import blocks_left, cohort_from_plan
        from fallline.training.progress import ProgressCount
        from fallline.training.session import TrainingSession

        study, data = self.writer.places()
        setup = TrainingContext(read_study(self.paths.study, study), data)
        ready = cohort_from_plan(setup, self.writer, self.written)
        self.note = replace(self.note, device=device_name())
        trials = [trial for row in ready.planned.trials for trial in row]
        count = ProgressCount(trials, self.writer.known_trials(self.blocks), setup.study.metric, self._hear)
        session = TrainingSession(setup, self.writer, count)
        self.stop.then = session.stop
        if self.stop.asked:
            session.stop()
        if processes.count() > 1:  # they train the same blocks in the same order, and the first writes them
            session.train([(ready, blocks_left(self.writer, self.written))], self._too_large)
            processes.meet("trained")
            return
        with Leases(self.paths, self.job) as leases:
            while not self.stop.asked and (left := blocks_left(self.writer, self.written)):
                own = [(name, seeds) for name, seeds in left if leases.take(name)]
                if own:
                    session.train([(ready, own)], self._too_large)
                else:
                    time.sleep(LOOK_SECONDS)

    def _too_large(self, *_: object) -> NoReturn:
        self.note = replace(self.note, out_of_memory=True)
        raise StudyError("the memory ran out; fallline collect plans what is left in parts that need less")

    def _hear(self, news: Progress) -> None:
        self.note = replace(
            self.note, state=TRAINING, reached=news.done, steps=news.total, diverged=news.diverged, stopped=news.stopped
        )
        if time.monotonic() - self.noted >= NOTE_SECONDS:
            self._tell(self.note)

    def _tell(self, note: WorkerNote) -> None:
        self.note, self.noted = note, time.monotonic()
        if processes.number() == 0:
            write_note(self.folder, note)

    def _end(self, state: str, reason: str, code: int) -> int:
        self._tell(replace(self.note, state=state, reason=reason))
        print(f"fallline: cohort {self.cohort} {state}" + (f": {reason}" if reason else ""), flush=True)
        return code
