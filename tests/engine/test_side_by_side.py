"""Jobs side by side: every one runs to its end, one worker at a time each, and a failure stops the rest."""

import threading
import time

import pytest

from fallline.engine.side_by_side import run_side_by_side


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_every_job_takes_all_its_chunks_in_order_and_never_twice_at_once(count, workers):
    seen = {job: [] for job in range(count)}
    inside = {job: threading.Lock() for job in range(count)}

    def job(number):
        for chunk in range(4):
            assert inside[number].acquire(blocking=False)
            time.sleep(0.001)
            seen[number].append(chunk)
            inside[number].release()
            yield

    run_side_by_side([lambda n=n: job(n) for n in range(count)], workers, lambda: None)
    assert seen == {number: [0, 1, 2, 3] for number in range(count)}


def test_the_job_left_over_shares_the_first_group():
    under_way, most = set(), []

    def job(number):
        for _ in range(3):
            under_way.add(number)
            most.append(len(under_way))
            yield
        under_way.discard(number)

    run_side_by_side([lambda n=n: job(n) for n in range(5)], 2, lambda: None)
    assert max(most) == 3 and not under_way


def test_a_failure_is_told_at_once_and_raised():
    stopping = threading.Event()

    def failing():
        yield
        raise RuntimeError("lost")

    def patient():
        while not stopping.is_set():
            time.sleep(0.001)
            yield

    with pytest.raises(RuntimeError, match="lost"):
        run_side_by_side([patient, failing], 2, stopping.set)
    assert stopping.is_set()
