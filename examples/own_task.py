"""A custom task: two interleaved spirals, classified by a small equinox network."""

import equinox as eqx
import numpy as np

import fallline


def spirals(examples, seed):
    """Points [examples, 2] on two spirals of one and a half turns, and which spiral each is on: 0 or 1."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, examples)
    radius = np.sqrt(rng.uniform(0.05, 1, examples))
    angle = 3 * np.pi * radius + np.pi * labels
    points = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return points + rng.normal(0, 0.06, points.shape), labels


def network(key):
    """Two hidden layers of 32; called on one point [2], gives the logits [2]."""
    return eqx.nn.MLP(2, 2, width_size=32, depth=2, key=key)


SPIRALS = fallline.from_arrays(
    "spirals",
    model=fallline.from_equinox(network, name="mlp-32-32"),
    train=spirals(1000, seed=0),
    validation=spirals(500, seed=1),
    test=spirals(1000, seed=2),
    loss="softmax_cross_entropy",
    metrics=["accuracy"],
    title="two spirals",
)
