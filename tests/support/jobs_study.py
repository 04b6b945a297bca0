"""A tiny study of eight cohorts for jobs, with parts of its own in a file, that can be held or made to fail."""

import time
from pathlib import Path

import polars as pl
from polars.testing import assert_frame_equal

import fallline
from fallline.store.launches import CONTINUED, notes

PARTS = '''
"""The task and the schedule of the study: what it is told to do, it is told by files beside it."""
import os
import signal
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import fallline
from fallline.contracts import Schedule

HERE = Path(__file__).parent
rng = np.random.default_rng(7)
INPUTS = rng.normal(size=(96, 4)).astype(np.float32)
TARGETS = (INPUTS[:, 0] > 0).astype(np.int32) + (INPUTS[:, 1] > 0)
MODEL = fallline.from_functions(lambda key: {"W": jnp.zeros((3, 4))}, lambda w, x: x @ w["W"].T, name="linear")
DOTS = fallline.from_arrays("own-dots", model=MODEL, train=(INPUTS[:64], TARGETS[:64]),
                     validation=(INPUTS[64:], TARGETS[64:]), loss="softmax_cross_entropy", metrics=["accuracy"])


def factor(clock):
    """A steady rate; before each chunk it looks for files."""
    if len(clock.steps) == 0:
        return np.ones(0)  # asked for its shape alone, in planning
    with open(HERE / "chunks", "a") as count:
        count.write(f"{os.getpid()}\\n")
    if (HERE / "fail").exists():
        raise RuntimeError("the oracle is silent")
    if (HERE / "large").exists():
        (HERE / "large").unlink()
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes")
    if (HERE / "crash").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    until = time.monotonic() + 2.0  # a minute in all for the thirty chunks of a cohort
    while (HERE / "hold").exists() and time.monotonic() < until:
        time.sleep(0.05)
    return np.full(len(clock.steps), 1.0)


TOLD = Schedule("told", factor)
'''

STUDY = """
name = "eight"
task = "own.py:DOTS"
metric = "validation_loss"
evaluate_every = 2
[base]
steps = 60
schedule = "own.py:TOLD"
optimizer = "adam"
[axes]
batch_size = [4, 6, 8, 12, 16, 24, 32, 48]
learning_rate = [0.1, 0.01]
"""


def write_study(folder):
    """The study's two files in ``folder``; the path of the study."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "own.py").write_text(PARTS)
    (folder / "eight.toml").write_text(STUDY)
    return folder / "eight.toml"


def load(study, sizes=None):
    """The study in that file, with some of its batch sizes alone: a cohort each."""
    found = fallline.load_study(study)
    return found if sizes is None else found.with_({"axes": {"batch_size": list(sizes)}})


def wait_for(happened, seconds=240.0):
    """Wait until ``happened()`` says yes; an error where it does not within a time that is long for what it is."""
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.1)


def chunks(study):
    """How many chunks of steps were trained, in all processes together."""
    path = study.with_name("chunks")
    return len(path.read_text().splitlines()) if path.exists() else 0


def records(folder):
    """Trials and curves of a run, without what says where they were trained."""
    result = fallline.open_run(folder)
    trials = result.trials.drop("block", "cohort").sort("trial")
    return trials.select(sorted(trials.columns)), result.curves.drop("lane", strict=False).sort("trial", "step")


def assert_same_records(one, two):
    """Bit for bit, and every trial once."""
    for a, b in zip(records(one), records(two), strict=True):
        assert_frame_equal(a, b, check_exact=True, check_column_order=False)
    assert records(two)[0]["trial"].n_unique() == len(records(two)[0])


def states(folder):
    """How the cohorts stand, by their places."""
    return {row["number"]: row for row in fallline.jobs(folder).status().iter_rows(named=True)}


def continued(folder):
    """The cohorts some worker of which was asked to stop and said that it is to be continued."""
    (launch,) = Path(folder).glob("launches/001")
    return {note.cohort for note in notes(launch) if note.state == CONTINUED}


def words(folder):
    return sorted(pl.Series([row["state"] for row in states(folder).values()]).unique().to_list())
