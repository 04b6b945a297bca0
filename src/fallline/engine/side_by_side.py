"""Programs side by side: each core takes the next chunk of whichever program waits."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from threading import Event, Lock
from typing import Any

from fallline.engine.mesh import DeviceRow

LISTEN_SECONDS = 0.2
"""How long Ctrl-C may have to wait."""

Job = Iterator[Any]
"""Work that pauses after every chunk; it is advanced by one worker at a time."""


def run_side_by_side(jobs: Sequence[Callable[[], Job]], workers: int, on_failure: Callable[[], None]) -> None:
    """Run all ``jobs`` to their ends on ``workers`` threads and raise the first failure.

    As many jobs as workers are under way, and in the first group those that would be left over as well: five jobs on
    two workers take the time of two and a half, not of three. ``on_failure`` is called at once when a job fails or
    the user stops the run; jobs that are under way are expected to end at their next pause.
    """
    waiting = iter(jobs)
    size = workers + len(jobs) % workers
    with ThreadPoolExecutor(workers) as pool, _told(on_failure):
        while group := [make() for make in islice(waiting, size)]:
            queue = deque(group)
            _finish([pool.submit(_take_turns, queue) for _ in range(workers)], on_failure)
            size = workers


def run_in_rows(
    jobs: Sequence[Callable[..., Job]], rows: Sequence[DeviceRow], of: int, on_failure: Callable[[], None]
) -> None:
    """Run all ``jobs`` to their ends, one at a time in each of ``rows``, and raise the first failure.

    A job is made for the row that takes it: the next that waits, whichever row is free. Where this process has not all
    ``of`` rows, or one that other processes have a part in, job k is that of row k modulo ``of``, in all of them.
    """
    waiting, lock, over = iter(jobs), Lock(), Event()
    dealt = len(rows) < of or any(row.spans for row in rows)

    def next_job() -> Callable[..., Job] | None:
        with lock:
            return next(waiting, None)

    def work_off(row: DeviceRow) -> None:
        own = iter(jobs[row.place :: of])
        while not over.is_set() and (make := next(own, None) if dealt else next_job()) is not None:
            for _ in make(row=row):
                pass

    def stop() -> None:
        over.set()
        on_failure()

    with ThreadPoolExecutor(len(rows)) as pool, _told(stop):
        _finish([pool.submit(work_off, row) for row in rows], stop)


@contextmanager
def _told(on_failure: Callable[[], None]) -> Iterator[None]:
    """Tell of a failure or an interrupt wherever it comes: the pool waits for its jobs, which must know that they are
    to end."""
    try:
        yield
    except BaseException:
        on_failure()
        raise


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
        # In stretches: a wait without an end may hold Ctrl-C back until it is over (importing polars makes it so).
        left, failed = set(turns), False
        while left and not failed:
            done, left = wait(left, LISTEN_SECONDS, FIRST_EXCEPTION)
            failed = any(turn.exception() for turn in done)
        if failed:
            on_failure()
    except BaseException:
        on_failure()
        raise
    finally:
        wait(turns)
    for turn in turns:
        turn.result()
