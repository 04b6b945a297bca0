"""Nets of the examples in their frameworks, and their passes compiled: what the tests of adapters share."""

import os
from functools import cache
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
KEY, OTHER = jax.random.key(3), jax.random.key(4)
IMAGES = np.random.default_rng(0).uniform(size=(6, 28, 28)).astype(np.float32)
LABELS = np.array([1, 0, 9, 4, 4, 2])


@cache
def example_nets():
    """The makers in the model files of the examples, by framework; the test is skipped where one is not installed."""
    pytest.importorskip("flax")
    pytest.importorskip("keras")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(EXAMPLES))
        from models import equinox_net, flax_net, keras_net
    return {"equinox": equinox_net.Net, "flax": flax_net.Net, "keras": keras_net.make_net}


def begin(model, key=KEY):
    """Weights and state of one seed."""
    both = [model.init, model.start_state]
    return tuple(jax.jit(one)(key) if model.traceable else one(key) for one in both)


def cross_entropy(logits):
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), LABELS[:, None], 1).mean()


@cache
def compiled(model):
    """(pass, gradient of a pass) of a model, compiled; the gradient comes with the state after."""

    def loss(weights, state, x, key, hyperparameters):
        outputs, after = model.run(weights, state, x, key, hyperparameters)
        return cross_entropy(outputs), after

    return jax.jit(model.run), jax.jit(jax.grad(loss, has_aux=True))


def run(model, weights, state, key, hyperparameters, x=IMAGES):
    return compiled(model)[0](weights, state, x, key, hyperparameters)


def gradient(model, weights, state, hyperparameters):
    return compiled(model)[1](weights, state, IMAGES, KEY, hyperparameters)


def close(tree, other, tolerance=1e-5):
    for a, b in zip(jax.tree.leaves(tree), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
