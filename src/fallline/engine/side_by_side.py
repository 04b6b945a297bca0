"""Programs side by side: each core takes the next chunk of whichever program waits."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ALL_COMPLETED, FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from threading import Condition, Event, Lock
from typing import Any

from fallline.engine.mesh import DeviceRow

POLL_SECONDS = 0.2
"""The longest time that the main thread waits before it can react to Ctrl-C."""

Job = Iterator[Any]
"""A generator that pauses after every chunk; one worker thread at a time advances it."""


def run_side_by_side(jobs: Sequence[Callable[[], Job]], workers: int, on_failure: Callable[[], None]) -> None:
    """Run all ``jobs`` to their ends on ``workers`` threads and raise the first failure.

    As many jobs as workers run at once; the first group also takes the jobs that would be left over: five jobs on two
    workers take the time of two and a half, not of three. ``on_failure`` is called at once when a job fails or the
    user stops the run; running jobs are expected to end at their next pause. No thread is left when this returns.
    """
    waiting = iter(jobs)
    size = workers + len(jobs) % workers
    with _threads(workers, on_failure) as submit:
        while group := [make() for make in islice(waiting, size)]:
            queue = deque(group)
            _finish([submit(_take_turns, queue) for _ in range(workers)], on_failure)
            size = workers


def run_in_rows(
    jobs: Sequence[Callable[..., Job]], rows: Sequence[DeviceRow], of: int, on_failure: Callable[[], None]
) -> None:
    """Run all ``jobs`` to their ends, one at a time in each of ``rows``, and raise the first failure.

    A job is made for the row that takes it: the next waiting job goes to whichever row is free. Where this process
    does not have all ``of`` rows, or shares a row with other processes, job k belongs to row k modulo ``of`` in all
    processes.
    """
    waiting, lock, over = iter(jobs), Lock(), Event()
    dealt = len(rows) < of or any(row.spans for row in rows)

    def next_job() -> Callable[..., Job] | None:
        with lock:
            return next(waiting, None)

    def work_off(row: DeviceRow) -> None:
        dealt_jobs = iter(jobs[row.place :: of])
        while not over.is_set() and (make := next(dealt_jobs, None) if dealt else next_job()) is not None:
            for _ in make(row=row):
                pass

    def stop() -> None:
        over.set()
        on_failure()

    with _threads(len(rows), stop) as submit:
        _finish([submit(work_off, row) for row in rows], stop)


class _Calls:
    """Counts the calls that threads are in. After ``close`` none begins, and none is left."""

    def __init__(self) -> None:
        self._changed, self._running, self._closed = Condition(), 0, False

    def run(self, function: Callable[..., None], *arguments: Any) -> None:
        with self._changed:
            if self._closed:
                return
            self._running += 1
        try:
            function(*arguments)
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            while self._running:
                self._changed.wait(POLL_SECONDS)


@contextmanager
def _threads(workers: int, on_failure: Callable[[], None]) -> Iterator[Callable[..., Future[None]]]:
    """A pool's ``submit``. ``on_failure`` is called on any error or interrupt, so that running jobs end; all have ended
    when the context is left.

    An interrupt can come while the pool starts a thread. The pool then does not know the thread and does not wait for
    it, so that the calls are counted here.
    """
    calls = _Calls()
    with ThreadPoolExecutor(workers) as pool:
        try:
            yield lambda *call: pool.submit(calls.run, *call)
        except BaseException:
            on_failure()
            raise
        finally:
            calls.close()


def _take_turns(queue: deque[Job]) -> None:
    """Advance the job that waited longest by a chunk, until none waits."""
    while queue:
        try:
            job = queue.popleft()
        except IndexError:
            return  # another worker was faster
        try:
            next(job)
        except StopIteration:
            continue
        queue.append(job)


def _finish(turns: list[Future[None]], on_failure: Callable[[], None]) -> None:
    try:
        _wait(turns, FIRST_EXCEPTION)
        if any(turn.done() and turn.exception() for turn in turns):
            on_failure()
    except BaseException:
        on_failure()
        raise
    finally:
        _wait(turns, ALL_COMPLETED)
    for turn in turns:
        turn.result()


def _wait(turns: list[Future[None]], until: str) -> None:
    """Short waits: a wait without a timeout may delay Ctrl-C until it is over (importing polars has this effect)."""
    over = False
    while not over:
        done, left = wait(turns, POLL_SECONDS, until)
        over = not left or (until == FIRST_EXCEPTION and any(turn.exception() for turn in done))
