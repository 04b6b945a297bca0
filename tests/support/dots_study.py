"""A small study of three classes of points, for tests of runs."""

from __future__ import annotations

import numpy as np

import fallline

rng = np.random.default_rng(3)
INPUTS = rng.normal(size=(120, 4)).astype(np.float32)
TARGETS = (INPUTS[:, 0] > 0).astype(np.int32) + (INPUTS[:, 1] > 0)


def linear(classes=3, features=4):
    import jax.numpy as jnp

    return fallline.from_functions(
        lambda key: {"W": jnp.zeros((classes, features))}, lambda w, x: x @ w["W"].T, name="linear"
    )


TASK = fallline.from_arrays(
    "dots",
    model=linear(),
    train=(INPUTS[:80], TARGETS[:80]),
    validation=(INPUTS[80:100], TARGETS[80:100]),
    test=(INPUTS[100:], TARGETS[100:]),
    loss="softmax_cross_entropy",
    metrics=["accuracy"],
)


def study(rates=(0.1, 0.01), seeds=3, steps=40, **more):
    return fallline.Study(
        name="dots",
        task=TASK,
        metric="validation_loss",
        seeds=seeds,
        evaluate_every=10,
        base={"steps": steps, "batch_size": 16},
        axes={"optimizer": ["adam", "momentum"], "learning_rate": list(rates)},
        **more,
    )
