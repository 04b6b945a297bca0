"""A small run with every kind of file for tests of faults, and what must be the same after one."""

from __future__ import annotations

import os
import random
import shutil
import signal
from pathlib import Path

import numpy as np

import fallline

WEIGHTS = 12
"""Of the model: where this is the most that is small, both lanes of a seed are a block."""

RECORDS = ("trials/*", "curves/*", "predictions/*", "weights/*", "answers/*", "mistakes.parquet", "models.json")

rng = np.random.default_rng(3)
INPUTS = rng.normal(size=(120, 4)).astype(np.float32)
TARGETS = (INPUTS[:, 0] > 0).astype(np.int32) + (INPUTS[:, 1] + rng.normal(size=120) > 0)


def _outputs(weights, inputs):
    return inputs @ weights["W"].T


def _begin(key):
    import jax.numpy as jnp

    return {"W": jnp.zeros((3, 4))}


TASK = fallline.from_arrays(
    "dots",
    model=fallline.from_functions(_begin, _outputs, name="linear"),
    train=(INPUTS[:80], TARGETS[:80]),
    validation=(INPUTS[80:100], TARGETS[80:100]),
    test=(INPUTS[100:], TARGETS[100:]),
    loss="softmax_cross_entropy",
    metrics=["accuracy"],
    classes=["none", "one", "both"],
)
CLAIM = {"text": "A rate of 0.1 is better.", "better": {"learning_rate": 0.1}, "worse": {"learning_rate": 0.01}}


def study(**more):
    """Two rates, three seeds: with ``small_blocks`` three blocks that can stop after every chunk."""
    return fallline.Study(
        **{
            "name": "dots",
            "task": TASK,
            "metric": "validation_loss",
            "seeds": 3,
            "evaluate_every": 10,
            "base": {"steps": 40, "batch_size": 16, "optimizer": "momentum"},
            "axes": {"learning_rate": [0.1, 0.01]},
            "claims": [CLAIM],
            **more,
        }
    )


def small_blocks(patch):
    """A block a seed and a checkpoint a chunk, as a large study has them."""
    patch.setattr("fallline.engine.layouts.SMALL_WEIGHTS", WEIGHTS)
    patch.setenv("FALLLINE_CHECKPOINT_SECONDS", "0")


def records(folder):
    """The content of every file of records by its path: what must be equal, byte for byte."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for pattern in RECORDS
        for path in Path(folder).glob(pattern)
    }


def copied(whole, folder):
    shutil.copytree(whole, folder)
    return folder


class Dying:
    """From now on this process kills itself at its ``moment``-th file operation in ``folder``: before it or just after.

    It counts files opened to write, brought to disk, renamed, linked and removed, and folders made and removed.
    """

    NAMES = ("open", "fsync", "replace", "link", "unlink", "mkdir", "rmdir", "rename")

    def __init__(self, folder, moment, after):
        self.folder, self.moment, self.after, self.count = str(folder), moment, after, 0
        for name in self.NAMES:
            setattr(os, name, self._counted(getattr(os, name)))

    def _counted(self, real):
        def call(*arguments, **named):
            about = arguments[0]
            if isinstance(about, int) or str(about).startswith(self.folder):
                self.count += 1
                if self.count == self.moment:
                    if self.after:
                        real(*arguments, **named)
                    os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **named)

        return call


def moments(seed, count, last):
    """So many random moments from the first file operation to the ``last``, and whether just after it."""
    draw = random.Random(seed)
    return [(draw.randint(1, last), draw.random() < 0.5) for _ in range(count)]
