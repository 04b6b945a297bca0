"""Modules that ask more of an adapter, and what is said of those that will not do."""

import os
import subprocess
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fallline
from fallline.errors import HyperparameterError, ModelError
from fallline.models import from_equinox, from_flax, from_keras
from framework_nets import EXAMPLES, KEY, OTHER, begin, close, example_nets, run


@pytest.fixture(scope="module")
def nets():
    return example_nets()


class Blocks(eqx.Module):
    """Dropout within, an integer array and a function as leaves."""

    layers: eqx.nn.Sequential
    order: jax.Array

    def __init__(self, key, rates=(0.3, 0.3)):
        first, second = jax.random.split(key)
        self.layers = eqx.nn.Sequential(
            [
                eqx.nn.Linear(4, 8, key=first),
                eqx.nn.Dropout(rates[0]),
                eqx.nn.Lambda(jnp.tanh),
                eqx.nn.Linear(8, 2, key=second),
                eqx.nn.Dropout(rates[1]),
            ]
        )
        self.order = jnp.array([1, 0, 3, 2])

    def __call__(self, x, key):
        return self.layers(x[self.order], key=key)


def test_layers_deep_within_an_equinox_module_get_keys_and_the_rate():
    model = from_equinox(Blocks)
    weights, x = jax.jit(model.init)(KEY), jnp.ones((5, 4))
    assert [number.default for number in model.hyperparameters] == [pytest.approx(0.3)] and model.start_state(KEY) == {}
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(weights)) and len(jax.tree.leaves(weights)) == 4
    module = eqx.tree_at(lambda m: [m.layers[1].p, m.layers[4].p], Blocks(KEY), [0.6, 0.6])
    expected = jax.jit(lambda x, keys: jax.vmap(module)(x, keys))(x, jax.random.split(OTHER, 5))
    close(run(model, weights, {}, OTHER, {"dropout_rate": jnp.float32(0.6)}, x)[0], expected)
    assert (np.asarray(expected) == 0).any() and not (np.asarray(expected) == 0).all()
    evaluated = run(model, weights, {}, None, {"dropout_rate": jnp.float32(0.6)}, x)[0]
    quiet = eqx.nn.inference_mode(module)
    close(evaluated, jax.jit(jax.vmap(lambda x: quiet(x, KEY)))(x))


def test_layers_of_different_rates_keep_them_unless_one_is_given():
    def make(key):
        return Blocks(key, rates=(0.0, 0.5))

    assert from_equinox(make).hyperparameters == ()
    weights, x = jax.jit(from_equinox(make).init)(KEY), jnp.ones((5, 4))
    expected = jax.jit(lambda x, keys: jax.vmap(make(KEY))(x, keys))(x, jax.random.split(OTHER, 5))
    close(run(from_equinox(make), weights, {}, OTHER, {}, x)[0], expected)
    assert [number.default for number in from_equinox(make, dropout_rate=0.1).hyperparameters] == [0.1]


def test_a_plain_equinox_module_still_has_an_apply():
    model = fallline.from_equinox(lambda key: eqx.nn.MLP(4, 2, 8, 1, key=key), name="mlp")
    assert model.apply is not None and model.forward is None and model.state is None
    close(model.apply(model.init(KEY), jnp.ones((3, 4))), jax.vmap(eqx.nn.MLP(4, 2, 8, 1, key=KEY))(jnp.ones((3, 4))))


def test_a_pair_of_module_and_state_is_the_same_model(nets):
    def pair(key):
        return eqx.nn.make_with_state(nets["equinox"])(key)

    one, two = from_equinox(pair), from_equinox(nets["equinox"])
    (weights, state), (same, other) = begin(one), begin(two)
    close((weights, state), (same, other), 0)
    assert state.keys() == other.keys() == {"Net.norm.batch_counter", "Net.norm.batch_state_index"}


class Noisy(eqx.Module):
    """Draws noise of its own, without a dropout layer; given no key it draws none."""

    scale: jax.Array

    def __init__(self, key):
        self.scale = jnp.ones(3)

    def __call__(self, x, *, key=None):
        return self.scale * x if key is None else self.scale * x + jax.random.normal(key, x.shape)


def test_noise_of_a_module_of_ones_own_is_drawn_in_training_alone():
    for make in (Noisy, lambda key: eqx.nn.Sequential([Noisy(key), eqx.nn.Lambda(jnp.abs)])):
        model, x = from_equinox(make), jnp.ones((2, 3))
        trained = run(model, model.init(KEY), {}, OTHER, {}, x)[0]
        assert float(jnp.abs(trained[0] - trained[1]).max()) > 0.1, "each example has noise of its own"
        np.testing.assert_array_equal(model.run(model.init(KEY), {}, x, None, {})[0], x)


def test_a_finished_module_is_sent_to_the_right_maker(nets):
    from flax import nnx

    for finished, remedy in [
        (eqx.nn.Linear(2, 2, key=KEY), "lambda key: MyModule"),
        (3, "lambda key: MyModule"),
        (nnx.Linear(2, 2, rngs=nnx.Rngs(0)), "fallline.from_flax(lambda rngs"),
        (nets["keras"](), "fallline.from_keras(make_model)"),
    ]:
        with pytest.raises(ModelError) as told:
            fallline.from_equinox(finished)
        assert "make must be a function of a key, got" in str(told.value) and remedy in str(told.value)


def test_what_is_wrong_with_a_module_is_said_when_the_model_is_made(nets):
    from flax import nnx

    class Two(eqx.Module):
        layers: list

        def __init__(self, key):
            self.layers = [eqx.nn.BatchNorm(2, axis, mode="batch") for axis in ("batch", "other")]

        def __call__(self, x, state):
            return x, state

    for make, part in [
        (lambda: from_equinox(lambda key: key.nothing), "init(key) of model module, which should give an equinox"),
        (lambda: from_equinox(lambda key: {"W": jnp.zeros(3)}), "got dict; for weights of another kind write"),
        (lambda: from_equinox(lambda key: nnx.Linear(2, 2, rngs=nnx.Rngs(key))), "for Flax fallline.from_flax"),
        (lambda: from_equinox(Two), "must name one axis, the batch; got axis_name 'batch', 'other'"),
        (lambda: from_equinox(lambda key: eqx.nn.Linear(2, 2, key=key), dropout_rate=0.5), "has no dropout layer"),
        (lambda: from_flax(lambda rngs: rngs.nothing(1, 2, 3), name="mine"), "make(rngs) of model mine fails"),
        (lambda: from_flax(lambda rngs: jnp.zeros(3)), "must give a flax.nnx.Module, got"),
        (lambda: from_flax(lambda rngs: nnx.Linear(2, 2, rngs=rngs), dropout_rate=0.5), "has no dropout layer"),
    ]:
        with pytest.raises(ModelError) as told:
            make()
        assert part in str(told.value)
    for make in (from_equinox, lambda make: from_equinox(make, dropout_rate=1.5)):
        with pytest.raises(HyperparameterError, match=r"dropout_rate must lie in \[0, 1\), got 1"):
            make(lambda key: Blocks(key, rates=(1.0, 1.0)))


def test_what_is_wrong_with_a_keras_model_is_said_when_it_is_begun():
    keras = pytest.importorskip("keras")
    dense = keras.layers.Dense
    same = keras.Sequential([keras.Input((3,)), dense(2)])
    for make, part in [
        (lambda: 3, "must give a keras.Model, got int"),
        (lambda: same, "must make a new one each time"),
        (lambda: keras.Sequential([dense(2)]), "has no weights yet: start it with keras.Input"),
        (lambda: keras.Sequential([keras.Input((3,)), dense(2, kernel_regularizer="l2")]), "recipe's l1_penalty"),
    ]:
        with pytest.raises(ModelError) as told:
            from_keras(make).init(KEY)
        assert part in str(told.value)
    model = from_keras(lambda: keras.Sequential([keras.Input((3,)), dense(2)]), dropout_rate=0.5)
    with pytest.raises(ModelError, match=r"no keras\.layers\.Dropout of a rate above 0"):
        model.run(model.init(KEY), {}, jnp.ones((2, 3)), None, {"dropout_rate": 0.5})


def test_a_framework_that_is_missing_or_elsewhere_is_said_with_the_remedy():
    script = (
        "import sys\nfrom fallline.models import from_flax, from_keras\n"
        "sys.modules |= dict.fromkeys(['tensorflow', *sys.argv[2:]])\n"
        "try: dict(flax=from_flax, keras=from_keras)[sys.argv[1]](lambda *a: None)\n"
        "except Exception as failure: print(type(failure).__name__, failure)"
    )
    for arguments, backend, part in [
        (("flax", "flax"), "jax", "ModelError Flax is not installed; write: pip install 'fallline[flax]'"),
        (("keras", "keras"), "jax", "ModelError Keras 3 is not installed; write: pip install 'fallline[keras]'"),
        (
            ("keras",),
            "tensorflow",
            "ModelError from_keras needs Keras 3 on JAX, but it runs on tensorflow; set the "
            "environment variable KERAS_BACKEND=jax before keras is imported",
        ),
    ]:
        told = subprocess.run(
            [sys.executable, "-c", script, *arguments],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"KERAS_BACKEND": backend},
        )
        assert part in told.stdout, told.stdout + told.stderr


def test_frozen_keras_layers_stay_as_they_begin():
    keras = pytest.importorskip("keras")

    def make():
        frozen = keras.layers.Dense(8, trainable=False)
        return keras.Sequential([keras.Input((3,)), frozen, keras.layers.GaussianNoise(0.5), keras.layers.Dense(2)])

    model, x = from_keras(make), np.ones((4, 3), np.float32)
    weights, state = begin(model)
    assert [leaf.shape for leaf in weights.values()] == [(8, 2), (2,)]
    assert [leaf.shape for leaf in state.values()] == [(3, 8), (8,)]
    outputs, after = run(model, weights, state, KEY, {}, x)
    close(after, state, 0)
    assert np.ptp(outputs, axis=0).max() > 0.01, "equal rows differ by their noise"
    quiet = (x @ state["00.kernel"] + state["01.bias"]) @ weights["00.kernel"] + weights["01.bias"]
    close(run(model, weights, state, None, {}, x)[0], quiet)


def test_making_a_keras_model_leaves_the_generators_of_others(nets):
    import random

    model = from_keras(nets["keras"])
    random.seed(5)
    np.random.seed(5)
    before = random.getstate()[1], np.random.get_state()[1].tolist()
    model.init(KEY)
    assert (random.getstate()[1], np.random.get_state()[1].tolist()) == before


def test_the_models_of_the_examples_know_nothing_of_fallline_and_the_examples_are_short():
    files = sorted([*(EXAMPLES / "models").glob("*.py"), EXAMPLES / "torch" / "nets.py"])
    imports = [line for file in files for line in file.read_text().splitlines() if "import" in line]
    assert len(files) == 4 and len(imports) >= 8 and not any("fallline" in line for line in imports)
    for framework in ("equinox", "flax", "keras"):
        assert len((EXAMPLES / f"own_{framework}.py").read_text().splitlines()) < 30
