"""Equinox modules that hold a layer twice train it as one, and what they draw besides weights is each seed's own."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import polars as pl
import pytest

import fallline
from fallline import Study
from fallline.errors import ModelError

INPUTS = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
TARGETS = np.tanh(INPUTS.sum(1, keepdims=True)).astype(np.float32)


class Twice(eqx.Module):
    """One layer used twice."""

    first: eqx.nn.Linear
    again: eqx.nn.Linear
    last: eqx.nn.Linear

    def __init__(self, key):
        self.first = self.again = eqx.nn.Linear(4, 4, key=key)
        self.last = eqx.nn.Linear(4, 1, key=jax.random.fold_in(key, 1))

    def __call__(self, x):
        return self.last(jnp.tanh(self.again(jnp.tanh(self.first(x)))))


class SharedWeights(eqx.Module):
    """The array of one layer in another: an encoder and a decoder."""

    encoder: jax.Array
    decoder: eqx.nn.Linear

    def __init__(self, key):
        self.decoder = eqx.nn.Linear(4, 4, use_bias=False, key=key)
        self.encoder = self.decoder.weight

    def __call__(self, x):
        return self.decoder(jnp.tanh(self.encoder.T @ x))[:1]


class Shuffled(eqx.Module):
    """Inputs in an order of the seed's own, and some of them left out."""

    order: jax.Array
    mask: jax.Array
    table: jax.Array
    layer: eqx.nn.Linear

    def __init__(self, key):
        keys = jax.random.split(key, 3)
        self.order = jax.random.permutation(keys[0], 4)
        self.mask = jax.random.bernoulli(keys[1], 0.5, (4,))
        self.table = jnp.arange(4)  # the same for all seeds
        self.layer = eqx.nn.Linear(4, 1, key=keys[2])

    def __call__(self, x):
        return self.layer(jnp.where(self.mask, x[self.order], 0)[self.table])


def study(module, name, **base):
    task = fallline.from_arrays(
        name,
        model=fallline.from_equinox(module, name=name),
        train=(INPUTS, TARGETS),
        validation=(INPUTS, TARGETS),
        loss="squared_error",
    )
    return Study(
        name="s", task=task, seeds=3, base={"optimizer": "gradient_descent", "learning_rate": 0.05, "steps": 20} | base
    )


def beginning(module, seed):
    from fallline.training.cohort import WEIGHTS

    return module(jax.random.fold_in(jax.random.key(seed), WEIGHTS))


def by_hand(module, shared):
    """Plain gradient descent on the arrays of one seed, each array once: the losses of 20 steps on all examples."""
    whole = [beginning(module, seed) for seed in range(3)]
    losses = []
    for net in whole:
        weights = shared.parts(net)

        def loss(weights, net=net):
            outputs = jax.vmap(shared.module(net, weights))(INPUTS)
            return jnp.mean(jnp.sum((outputs - TARGETS) ** 2, 1))

        for _ in range(20):
            weights = optax.apply_updates(weights, jax.tree.map(lambda g: -0.05 * g, jax.grad(loss)(weights)))
        losses.append(float(loss(weights)))
    return losses


class TwiceByHand:
    @staticmethod
    def parts(net):
        return {"a": eqx.filter(net.first, eqx.is_array), "b": eqx.filter(net.last, eqx.is_array)}

    @staticmethod
    def module(net, weights):
        first, last = (eqx.combine(weights[k], own) for k, own in (("a", net.first), ("b", net.last)))
        return eqx.tree_at(lambda n: (n.first, n.again, n.last), net, (first, first, last))


class SharedByHand:
    @staticmethod
    def parts(net):
        return net.encoder

    @staticmethod
    def module(net, weights):
        return eqx.tree_at(lambda n: (n.encoder, n.decoder.weight), net, (weights, weights))


@pytest.mark.parametrize("module, shared, count", [(Twice, TwiceByHand, 25), (SharedWeights, SharedByHand, 16)])
def test_what_a_module_holds_twice_is_trained_as_one(tmp_path, module, shared, count):
    fallline.run(study(module, "tied"), out=tmp_path)
    trials = pl.read_parquet(tmp_path / "trials" / "*.parquet").sort("seed")
    assert trials["parameters"].unique().to_list() == [count]
    np.testing.assert_allclose(trials["validation_loss"], by_hand(module, shared), rtol=1e-5)


def test_a_module_without_ties_has_the_weights_it_had():
    model = fallline.from_equinox(lambda key: eqx.nn.MLP(4, 1, 8, 1, key=key))
    weights = model.init(jax.random.key(0))
    plain = eqx.filter(eqx.nn.MLP(4, 1, 8, 1, key=jax.random.key(0)), eqx.is_inexact_array)
    assert jax.tree.structure(weights) == jax.tree.structure(plain)
    assert model.state is None and model.apply is not None


def test_what_is_drawn_besides_weights_is_each_seeds_own(tmp_path):
    fallline.run(study(Shuffled, "shuffled", steps=1, learning_rate=1e-9), out=tmp_path)
    found = pl.read_parquet(tmp_path / "trials" / "*.parquet").sort("seed")["validation_loss"]
    exact = [float(jnp.mean((jax.vmap(beginning(Shuffled, seed))(INPUTS) - TARGETS) ** 2)) for seed in range(3)]
    np.testing.assert_allclose(found, exact, rtol=1e-5)
    assert len({tuple(np.asarray(beginning(Shuffled, seed).order)) for seed in range(3)}) > 1


def test_what_does_not_hang_on_the_key_is_no_state():
    class Fixed(eqx.Module):
        order: jax.Array
        layer: eqx.nn.Linear

        def __init__(self, key):
            self.order, self.layer = jnp.array([3, 1, 2, 0]), eqx.nn.Linear(4, 1, key=key)

        def __call__(self, x):
            return self.layer(x[self.order])

    assert fallline.from_equinox(Fixed).state is None


def test_a_kept_key_is_refused_where_the_model_is_read():
    class Kept(eqx.Module):
        key: jax.Array
        layer: eqx.nn.Linear

        def __init__(self, key):
            self.key, self.layer = key, eqx.nn.Linear(4, 1, key=key)

        def __call__(self, x):
            return self.layer(x) + jax.random.normal(self.key, (1,))

    with pytest.raises(ModelError, match=r"keeps a random key, .*; give __call__ an argument key"):
        fallline.from_equinox(Kept)
