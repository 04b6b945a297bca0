"""Nets of equinox, Flax and Keras compute, learn and remember as their own frameworks have it."""

import subprocess
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fallline
from fallline.models import from_equinox, from_flax, from_keras
from framework_nets import (
    EXAMPLES,
    IMAGES,
    KEY,
    LABELS,
    OTHER,
    begin,
    close,
    compiled,
    cross_entropy,
    example_nets,
    gradient,
    run,
)

RATE = {"dropout_rate": jnp.float32(0.2)}


@pytest.fixture(scope="module")
def nets():
    return example_nets()


@pytest.fixture(scope="module")
def models(nets):
    """A Model a framework, with weights and state of one seed."""
    made = {
        "equinox": fallline.from_equinox(nets["equinox"]),
        "flax": from_flax(nets["flax"]),
        "keras": from_keras(nets["keras"], dropout_rate=0.2),
    }
    return {name: (model, *begin(model)) for name, model in made.items()}


FRAMEWORKS = pytest.mark.parametrize("framework", ["equinox", "flax", "keras"])


def own_equinox(net, key):
    module, state = eqx.filter_jit(eqx.nn.make_with_state(net))(key=key)
    rated = eqx.tree_at(lambda m: m.dropout.p, module, 0.0)

    def loss(module):
        logits, after = jax.vmap(
            lambda x, s, key: module(x, s, key=key), axis_name="batch", in_axes=(0, None, 0), out_axes=(0, None)
        )(IMAGES, state, jax.random.split(OTHER, len(IMAGES)))
        return cross_entropy(logits), after

    slopes, after = eqx.filter_jit(eqx.filter_grad(loss, has_aux=True))(rated)
    quiet = eqx.nn.inference_mode(module)
    logits = jax.jit(jax.vmap(lambda x, s: quiet(x, s)[0], axis_name="batch", in_axes=(0, None)))(IMAGES, after)
    return slopes, jax.tree.leaves(after), logits


def own_flax(net, key):
    from flax import nnx

    module = net(nnx.Rngs(key))
    module.dropout.rate = 0.0
    module.train()
    slopes = nnx.jit(nnx.grad(lambda module: cross_entropy(module(IMAGES))))(module)
    module.eval()
    after = [module.norm.mean[...], module.norm.var[...]]
    return nnx.to_pure_dict(slopes), after, module(IMAGES)


def own_keras(net, key, weights):
    """By keras.Model's own training: one step of plain descent at rate 1 moves the weights by the gradient."""
    import keras

    net_ = net()
    for layer in net_.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    for variable, name in zip(net_.trainable_variables, sorted(weights), strict=True):
        variable.assign(np.array(weights[name]))
    net_.compile(keras.optimizers.SGD(1.0), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    net_.fit(IMAGES, LABELS, batch_size=len(IMAGES), epochs=1, verbose=0)
    moved = [
        weights[name] - variable.value for name, variable in zip(sorted(weights), net_.trainable_variables, strict=True)
    ]
    kept = [variable.value for variable in net_.non_trainable_variables if "seed" not in variable.name]
    return moved, kept, net_


@FRAMEWORKS
def test_gradient_and_statistics_are_the_frameworks_own(framework, nets, models):
    model, weights, state = models[framework]
    slopes, after = gradient(model, weights, state, {"dropout_rate": jnp.float32(0)})
    evaluated = run(model, weights, after, None, RATE)[0]
    if framework == "keras":
        expected, kept, net = own_keras(nets["keras"], KEY, weights)
        for variable, name in zip(net.trainable_variables, sorted(weights), strict=True):
            variable.assign(weights[name])
        logits = net(IMAGES, training=False)
    else:
        expected, kept, logits = {"equinox": own_equinox, "flax": own_flax}[framework](nets[framework], KEY)
    close(slopes, expected, 2e-5)
    close(after, kept)
    close(evaluated, logits)
    assert (
        max(float(jnp.abs(a - b).max()) for a, b in zip(jax.tree.leaves(state), jax.tree.leaves(after), strict=True))
        > 0.01
    ), "the statistics moved"


@FRAMEWORKS
def test_an_evaluation_leaves_the_state_and_adds_no_noise(framework, models):
    model, weights, state = models[framework]
    outputs, after = run(model, weights, state, None, RATE)
    close(after, state, 0)
    for row in (0, 5):  # with the statistics kept, no example hangs on the others of its batch
        close(run(model, weights, state, None, RATE, IMAGES[row : row + 1])[0][0], outputs[row])
    np.testing.assert_array_equal(run(model, weights, state, None, {"dropout_rate": jnp.float32(0.9)})[0], outputs)


@FRAMEWORKS
def test_noise_hangs_on_the_key_alone(framework, models):
    model, weights, state = models[framework]
    first, again, other = (run(model, weights, state, key, RATE)[0] for key in (KEY, KEY, OTHER))
    np.testing.assert_array_equal(first, again)
    assert float(jnp.abs(first - other).max()) > 1e-3


@FRAMEWORKS
def test_the_rate_is_a_number_of_the_recipe(framework, models):
    model, weights, state = models[framework]
    assert [(number.name, number.default, number.law) for number in model.hyperparameters] == [
        ("dropout_rate", 0.2, "must lie in [0, 1)")
    ]
    before = run(model, weights, state, KEY, RATE)[0], compiled(model)[0]._cache_size()
    quiet, same, noisy = (
        run(model, weights, state, key, {"dropout_rate": jnp.float32(rate)})[0]
        for key, rate in [(KEY, 0), (OTHER, 0), (KEY, 0.5)]
    )
    np.testing.assert_array_equal(quiet, same)
    assert float(jnp.abs(quiet - noisy).max()) > 1e-3 and float(jnp.abs(before[0] - noisy).max()) > 1e-3
    assert compiled(model)[0]._cache_size() == before[1], "another rate compiles nothing"


@FRAMEWORKS
def test_lanes_together_are_each_lane_alone(framework, models):
    model, weights, state = models[framework]
    scales, rates = jnp.array([1.0, 0.5, 2.0]), jnp.array([0.0, 0.2, 0.6])
    lanes = jax.tree.map(lambda leaf: jnp.stack([leaf * scale for scale in scales]), weights)
    states = jax.tree.map(lambda leaf: jnp.stack([leaf] * 3), state)
    step = jax.vmap(lambda w, s, rate: gradient(model, w, s, {"dropout_rate": rate}))
    slopes, after = jax.jit(step)(lanes, states, rates)
    for lane in range(3):
        own, together = (jax.tree.map(lambda leaf, i=lane: leaf[i], tree) for tree in (lanes, (slopes, after)))
        close(together, gradient(model, own, state, {"dropout_rate": rates[lane]}), 1e-4)
    same = jax.jit(jax.vmap(lambda s: run(model, weights, s, KEY, RATE)[0]))(states)
    np.testing.assert_array_equal(same[0], same[2])


@FRAMEWORKS
def test_weights_and_state_are_arrays_whose_names_and_types_stay(framework, models):
    model, weights, state = models[framework]
    _, after = gradient(model, weights, state, RATE)
    for tree in (weights, state):
        assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(tree))
    assert jax.tree.structure(after) == jax.tree.structure(state) and all(isinstance(name, str) for name in state)
    assert [(leaf.dtype, leaf.weak_type) for leaf in jax.tree.leaves(after)] == [
        (leaf.dtype, False) for leaf in jax.tree.leaves(state)
    ]
    carried = jax.lax.fori_loop(0, 2, lambda i, s: run(model, weights, s, KEY, RATE)[1], state)
    assert jax.tree.structure(carried) == jax.tree.structure(state)
    (first, _), (again, _), (other, _) = (begin(model, key) for key in (KEY, KEY, OTHER))
    close(first, again, 0)
    assert jax.tree.structure(first) == jax.tree.structure(other)
    assert (
        max(float(jnp.abs(a - b).max()) for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(other), strict=True))
        > 0.01
    )


@pytest.mark.parametrize("framework", ["equinox", "flax"])
def test_init_and_state_can_be_traced_and_ask_for_no_device_before(framework, models):
    model, weights, state = models[framework]
    close(jax.jit(model.init)(KEY), weights)
    close(jax.jit(model.start_state)(KEY), state)
    code = {"equinox": "fallline.from_equinox(Net)", "flax": "from_flax(Net)"}[framework]
    script = (
        f"import fallline; from fallline.models import from_flax; from models.{framework}_net import Net\n"
        f"{code}\nfrom jax._src import xla_bridge\nassert not xla_bridge._backends"
    )
    subprocess.run([sys.executable, "-c", script], cwd=EXAMPLES, check=True)


@FRAMEWORKS
def test_a_model_that_was_never_begun_here_can_be_traced(framework, nets, models):
    fresh = {"equinox": from_equinox, "flax": from_flax, "keras": lambda make: from_keras(make, dropout_rate=0.2)}[
        framework
    ](nets[framework])
    _, weights, state = models[framework]
    close(gradient(fresh, weights, state, RATE), gradient(models[framework][0], weights, state, RATE), 1e-6)


def test_a_keras_model_without_a_rate_of_the_recipe_keeps_its_own(nets, models):
    model = from_keras(nets["keras"])
    _, weights, state = models["keras"]
    assert model.hyperparameters == ()
    close(run(model, weights, state, KEY, {})[0], run(models["keras"][0], weights, state, KEY, RATE)[0])
