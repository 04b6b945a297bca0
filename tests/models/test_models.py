"""The built-in nets: how they begin, what they compute, and what dropout does to lanes."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import jaxprs_in_params
from scipy import stats

from fallline.errors import HyperparameterError
from fallline.models.convnet import convnet
from fallline.models.convolution import convolve, max_pool
from fallline.models.dropout import dropout
from fallline.models.initializers import glorot_uniform, truncated_normal, uniform_by_inputs
from fallline.models.mlp import mlp
from fallline.models.softmax import softmax
from fallline.models.workers import workers_convnet

KEY = jax.random.key(7)
CONVNET, WORKERS, DENSE = convnet(), workers_convnet(), mlp(784, 256, 10)
INIT = {model: jax.jit(model.init) for model in (CONVNET, WORKERS, DENSE)}  # compiled once for all tests


def as_float64(tree):
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), tree)


def images(batch, seed=0):
    return np.random.default_rng(seed).uniform(size=(batch, 28, 28, 1)).astype(np.float32)


@pytest.mark.parametrize(
    "model, weights",
    [
        (softmax(784, 10), 7_850),
        (CONVNET, 3_274_634),
        (WORKERS, 1_199_882),
        (DENSE, 203_530),
        (mlp(784, 128, 10), 101_770),
        (mlp(784, 360, 10), 286_210),
        (mlp(3072, 256, 10), 789_258),
        (mlp(3072, 512, 10), 1_578_506),
    ],
    ids=lambda value: value.name if hasattr(value, "name") else "",
)
def test_nets_have_as_many_weights_as_published_in_float32(model, weights):
    leaves = jax.tree.leaves(jax.eval_shape(model.init, KEY))
    assert sum(leaf.size for leaf in leaves) == weights and {leaf.dtype for leaf in leaves} == {jnp.dtype("float32")}
    assert model.start_state(KEY) == {}


@pytest.mark.parametrize("model", [softmax(784, 10), CONVNET, WORKERS, DENSE], ids=lambda model: model.name)
def test_nets_are_tuples_of_arrays_that_can_be_called(model):
    net, x = INIT.get(model, model.init)(KEY), jnp.asarray(images(2).reshape(2, 784))
    assert isinstance(net, tuple) and all(eqx.is_inexact_array(leaf) for leaf in jax.tree.leaves(net))
    hyperparameters = {number.name: number.default for number in model.hyperparameters}
    np.testing.assert_array_equal(net(x), model.run(net, {}, x, None, hyperparameters)[0])
    if hyperparameters:
        noisy = net(x, key=KEY)
        np.testing.assert_array_equal(noisy, model.run(net, {}, x, KEY, hyperparameters)[0])
        assert np.abs(noisy - net(x)).max() > 0


def test_seeds_differ_and_a_seed_is_itself_again():
    for init in INIT.values():
        first, again, other = (jax.tree.leaves(init(key)) for key in (KEY, KEY, jax.random.key(8)))
        for a, b, c in zip(first, again, other, strict=True):
            np.testing.assert_array_equal(a, b)
            assert np.ptp(a) == 0 or np.abs(a - c).max() > 0
        drawn = [leaf for leaf in first if np.ptp(leaf) > 0]
        assert len({float(leaf.ravel()[0]) for leaf in drawn}) == len(drawn), "each layer has a key of its own"


def test_the_truncated_normal_is_cut_at_two_deviations():
    net = INIT[CONVNET](KEY)
    weights = np.asarray(net.hidden.weights)
    assert 0.1999 < np.abs(weights).max() <= 0.2
    assert weights.std() == pytest.approx(0.1 * stats.truncnorm(-2, 2).std(), rel=2e-3)
    assert (
        stats.kstest(np.asarray(truncated_normal(KEY, (5_000,), 0.1)), stats.truncnorm(-2, 2, scale=0.1).cdf).pvalue
        > 1e-3
    )
    assert all((layer.biases == np.float32(0.1)).all() for layer in (net.first, net.second, net.hidden, net.output))


def test_keras_bounds_are_those_of_glorot():
    net = INIT[WORKERS](KEY)
    for layer, inputs, outputs in [
        (net.first, 9, 288),
        (net.second, 288, 576),
        (net.hidden, 9216, 128),
        (net.output, 128, 10),
    ]:
        values, bound = np.asarray(jax.tree.leaves(layer)[0]), np.sqrt(6 / (inputs + outputs))
        assert 0.97 * bound < np.abs(values).max() <= bound
        assert values.std() == pytest.approx(bound / np.sqrt(3), rel=0.1) and not layer.biases.any()
    drawn = glorot_uniform(KEY, (5_000,), 30, 20)
    assert stats.kstest(np.asarray(drawn), stats.uniform(-np.sqrt(0.12), 2 * np.sqrt(0.12)).cdf).pvalue > 1e-3


def test_pytorch_bounds_hang_on_the_inputs_of_a_layer_alone():
    net = INIT[DENSE](KEY)
    for layer, inputs, shape in [(net.hidden, 784, (256, 784)), (net.output, 256, (10, 256))]:
        assert layer.weights.shape == shape and layer.biases.shape == shape[:1]
        for values in (layer.weights, layer.biases):
            assert 0.6 < np.abs(values).max() * np.sqrt(inputs) <= 1 + 1e-6
    drawn = np.asarray(uniform_by_inputs(KEY, (5_000,), 16))
    assert stats.kstest(drawn, stats.uniform(-0.25, 0.5).cdf).pvalue > 1e-3


def written_convolution(x, kernel, margin):
    """Every output by hand: the sum over a window of the image, with a margin of zeros around it."""
    rows, columns = kernel.shape[:2]
    x = np.pad(x, [(0, 0), (margin, margin), (margin, margin), (0, 0)])
    height, width = x.shape[1] - rows + 1, x.shape[2] - columns + 1
    out = np.zeros((len(x), height, width, kernel.shape[3]))
    for i in range(height):
        for j in range(width):
            out[:, i, j] = np.einsum("bklc,klco->bo", x[:, i : i + rows, j : j + columns], kernel)
    return out


def written_pool(x):
    return np.array(
        [
            [
                [
                    [image[2 * i : 2 * i + 2, 2 * j : 2 * j + 2, c].max() for c in range(x.shape[3])]
                    for j in range(x.shape[2] // 2)
                ]
                for i in range(x.shape[1] // 2)
            ]
            for image in x
        ]
    )


def relu(x):
    return np.maximum(x, 0)


def test_the_convnet_computes_what_is_published():
    model, x = CONVNET, images(2)
    weights = INIT[model](KEY)
    w, a = as_float64(weights), x.astype(np.float64)
    for layer in (w.first, w.second):
        a = written_pool(relu(written_convolution(a, layer.kernel, 2) + layer.biases))
    assert a.shape == (2, 7, 7, 64)
    a = relu(a.reshape(2, 3136) @ w.hidden.weights.T + w.hidden.biases)
    expected = a @ w.output.weights.T + w.output.biases
    outputs, state = model.run(weights, {}, x, None, {"dropout_rate": 0.5})
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    flat, _ = model.run(weights, {}, x.reshape(2, 784), None, {"dropout_rate": 0.5})
    np.testing.assert_array_equal(outputs, flat)
    assert state == {} and [number.default for number in model.hyperparameters] == [0.5]


def test_the_workers_convnet_computes_what_is_published():
    model, x = WORKERS, images(2, seed=1)
    weights = INIT[model](KEY)
    w, a = as_float64(weights), x.astype(np.float64)
    for layer in (w.first, w.second):
        a = relu(written_convolution(a, layer.kernel, 0) + layer.biases)
    a = written_pool(a)
    assert a.shape == (2, 12, 12, 64)
    a = relu(a.reshape(2, 9216) @ w.hidden.weights.T + w.hidden.biases)
    hyperparameters = {number.name: number.default for number in model.hyperparameters}
    assert hyperparameters == {"conv_dropout_rate": 0.25, "dropout_rate": 0.5}
    outputs, _ = model.run(weights, {}, x, None, hyperparameters)
    np.testing.assert_allclose(outputs, a @ w.output.weights.T + w.output.biases, rtol=1e-4, atol=1e-4)


def test_the_dense_net_computes_what_is_published():
    model, x = DENSE, images(3)
    weights = INIT[model](KEY)
    w, a = as_float64(weights), x.reshape(3, 784).astype(np.float64)
    expected = relu(a @ w.hidden.weights.T + w.hidden.biases) @ w.output.weights.T + w.output.biases
    np.testing.assert_allclose(model.apply(weights, x), expected, atol=1e-5)
    dropped = mlp(784, 256, 10, dropout_rate=0.3)
    evaluated, _ = dropped.run(weights, {}, x, None, {"dropout_rate": 0.3})
    np.testing.assert_allclose(evaluated, expected, atol=1e-5)
    assert not model.hyperparameters and [number.default for number in dropped.hyperparameters] == [0.3]


@pytest.mark.parametrize("padding, margin", [("SAME", 1), ("VALID", 0)])
def test_a_convolution_and_its_gradients_are_the_written_sums(padding, margin):
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(2, 6, 5, 3)), rng.normal(size=(3, 3, 3, 4))
    expected = written_convolution(x, kernel, margin)
    both = jnp.float32(x), jnp.float32(kernel)
    np.testing.assert_allclose(convolve(*both, padding), expected, atol=1e-5)
    upstream = rng.normal(size=expected.shape)
    got = jax.grad(lambda x, kernel: (convolve(x, kernel, padding) * upstream).sum(), (0, 1))(*both)
    for which, place in [(0, (1, 0, 4, 2)), (0, (0, 3, 2, 0)), (1, (0, 2, 1, 3)), (1, (1, 1, 0, 0))]:
        ahead, behind = ([x.copy(), kernel.copy()] for _ in range(2))  # linear in each, so differences are exact
        ahead[which][place] += 0.5
        behind[which][place] -= 0.5
        change = written_convolution(*ahead, margin) - written_convolution(*behind, margin)
        assert float(got[which][place]) == pytest.approx((change * upstream).sum(), abs=1e-4)


def test_lanes_of_a_convolution_are_each_lane_alone():
    rng = np.random.default_rng(1)
    x, kernels = (jnp.float32(rng.normal(size=shape)) for shape in ((4, 8, 8, 2), (3, 5, 5, 2, 6)))
    together = jax.vmap(convolve, in_axes=(None, 0))(x, kernels)
    for lane, kernel in zip(together, kernels, strict=True):
        np.testing.assert_allclose(lane, convolve(x, kernel), atol=1e-5)


def test_a_pool_keeps_the_largest_of_four_and_gives_it_the_gradient():
    x = np.random.default_rng(2).normal(size=(2, 7, 6, 3)).astype(np.float32)
    np.testing.assert_array_equal(max_pool(jnp.asarray(x)), written_pool(x))
    gradient = np.asarray(jax.grad(lambda x: max_pool(x).sum())(jnp.asarray(x)))
    chosen = written_pool(x).repeat(2, 1).repeat(2, 2) == x[:, :6]
    np.testing.assert_array_equal(gradient[:, :6], chosen)
    assert not gradient[:, 6].any(), "an odd last row is left"


def test_dropout_keeps_the_expectation_and_drops_the_share():
    x = jnp.full((200, 500), 3.0)
    for rate in (0.0, 0.25, 0.9):
        y = np.asarray(dropout(x, jnp.float32(rate), KEY))
        assert (y == 0).mean() == pytest.approx(rate, abs=0.01) and y.mean() == pytest.approx(3, rel=0.03)
        np.testing.assert_allclose(y[y != 0], 3 / (1 - rate), rtol=1e-6)
    assert dropout(x, 0.9, None) is x
    assert (np.asarray(dropout(x, 0.5, KEY)) != np.asarray(dropout(x, 0.5, jax.random.key(8)))).any()


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_a_dropout_rate_lies_in_its_law(rate):
    with pytest.raises(HyperparameterError, match=r"dropout_rate must lie in \[0, 1\)"):
        CONVNET.hyperparameters[0].check(rate)


def test_lanes_of_one_rate_share_their_noise_wherever_they_stand():
    model = mlp(784, 256, 10, dropout_rate=0.5)
    weights, x = INIT[DENSE](KEY), jnp.asarray(images(4))
    lanes = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (4, *leaf.shape)), weights)

    def run(rates):
        return jax.vmap(lambda w, rate: model.run(w, {}, x, KEY, {"dropout_rate": rate})[0])(lanes, jnp.float32(rates))

    there, moved = np.asarray(run([0.1, 0.5, 0.9, 0.5])), np.asarray(run([0.5, 0.2, 0.5, 0.1]))
    np.testing.assert_array_equal(there[1], there[3])
    np.testing.assert_array_equal(there[1], moved[0])
    np.testing.assert_array_equal(there[0], moved[3])
    alone = model.run(weights, {}, x, KEY, {"dropout_rate": jnp.float32(0.5)})[0]
    np.testing.assert_allclose(there[1], alone, atol=1e-6)
    assert np.abs(there[0] - there[1]).max() > 1e-3


def test_the_noise_is_drawn_once_for_all_lanes():
    def lanes(rates):
        return jax.vmap(lambda rate: dropout(jnp.ones((16, 8)), rate, KEY))(rates)

    def drawn(jaxpr):
        for equation in jaxpr.eqns:
            for inner in jaxprs_in_params(equation.params):
                yield from drawn(inner)
            if equation.primitive.name == "random_bits":
                yield equation.outvars[0].aval.shape

    assert list(drawn(jax.make_jaxpr(lanes)(jnp.linspace(0, 0.8, 5)).jaxpr)) == [(16, 8)]


def test_padding_a_batch_leaves_the_noise_of_its_examples():
    x = jnp.ones((8, 20))
    np.testing.assert_array_equal(dropout(x, 0.5, KEY)[:5], dropout(x[:5], 0.5, KEY))


@pytest.mark.parametrize("model", [CONVNET, WORKERS], ids=lambda model: model.name)
def test_the_nets_learn_with_noise_and_without_recompiling(model):
    weights, x, labels = INIT[model](KEY), jnp.asarray(images(4)), jnp.array([3, 1, 4, 1])
    traces = []

    @jax.jit
    def gradient(weights, key, hyperparameters):
        traces.append(1)

        def loss(weights):
            logits = model.run(weights, {}, x, key, hyperparameters)[0]
            return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1).mean()

        return jax.value_and_grad(loss)(weights)

    values = []
    for seed, rate in [(0, 0.5), (0, 0.5), (1, 0.5), (0, 0.1)]:
        hyperparameters = {number.name: jnp.float32(rate) for number in model.hyperparameters}
        value, slopes = gradient(weights, jax.random.key(seed), hyperparameters)
        values.append(float(value))
        assert all(np.isfinite(leaf).all() and np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(slopes))
    assert values[0] == values[1] and len(set(values)) == 3 and len(traces) == 1
