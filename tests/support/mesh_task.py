"""A task for tests of meshes: a small net with dropout, a hidden number and a loss of one's choice."""

import jax
import jax.numpy as jnp
import numpy as np

import fallline
from fallline.models.dropout import dropout, dropout_rate


def init(key):
    first, second = jax.random.split(key)
    return {"in": jax.random.normal(first, (6, 16)) / 3, "out": jax.random.normal(second, (16, 3)) / 4}


def forward(weights, state, inputs, key, hyperparameters):
    hidden = dropout(jnp.tanh(inputs @ weights["in"]), hyperparameters["dropout_rate"], key)
    return hidden @ weights["out"], state


def points(examples, seed):
    draw = np.random.default_rng(seed)
    inputs = draw.normal(size=(examples, 6)).astype(np.float32)
    return inputs, (inputs[:, :3] + inputs[:, 3:]).argmax(1)


NET = fallline.Model("net", init, forward=forward, hyperparameters=(dropout_rate(0.3),))
TASK = fallline.from_arrays(
    "points",
    model=NET,
    train=points(96, 0),
    validation=points(50, 1),
    test=points(41, 2),
    loss="softmax_cross_entropy",
    metrics=["accuracy"],
)
