"""The model of a network: both passes against plain arithmetic, lanes, names of what was learnt, and bad calls."""

import math
from random import Random

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fallline
from fallline.errors import ModelError, NetworkError, UnknownName
from fallline.networks import Network, Neuron, Term, learnt, neurons, parse, passes
from random_networks import plain_outputs, random_network

FOUR_TWO_ONE = "xw=ap*xp+aq*xq+ar*xr+as*xs\nxz=bp*xp+bq*xq+br*xr+bs*xs\nxo=cp*xw+cq*xz"
CONSTANTS = "u = tanh(0.1*xp^3*xq - 2*a*xq + 0.3 + b - xp)\nv = relu(u*u*a - 0.7*u + xp)\no = identity(u*v - 1)\np = c"
DENSE = [
    FOUR_TWO_ONE,
    "\n".join(reversed(FOUR_TWO_ONE.split("\n"))),
    "o = c*v + d*u\nu = a*xp + b*xq\nv = e*xp + f*xq",
    "u = a*xp + b*xq\no = c*u + d*v\nv = e*xp + f*xq",
    "inputs: xq, xp\nu = a*xp + b*xq",
    "v = b*u\nu = a*xp",
    "u = tanh(a*xp^2*xq + b + c*xq)\nv = tanh(d*xp^2*xq + e + f*xq)",
    "u = a*xp + b*xp",
    "o = a*u\nu = b*xp\nv = c*xp",
]
EVERY_KIND = [*DENSE, CONSTANTS, "o = xp", "o = identity(xp^2)", "u = 3\nv = a\no = u*v + xp"]


@pytest.fixture(params=[(0, 10**9), (10**9, 10**9), (0, 0)], ids=["matrix", "terms", "walk"])
def each_pass(request, monkeypatch):
    """Every layer by one product of matrices, then every layer term by term, then neuron after neuron."""
    monkeypatch.setattr(passes, "MANY_TERMS", request.param[0])
    monkeypatch.setattr(passes, "MANY_LAYERS", request.param[1])


def drawn(network, seed, examples=3):
    """Weights, and inputs of a batch, uniform in [-1, 1)."""
    draw = np.random.default_rng(seed)
    weights = {
        "weights": draw.uniform(-1, 1, len(network.parameters)),
        "biases": draw.uniform(-1, 1, len(network.neurons)),
    }
    return weights, draw.uniform(-1, 1, (examples, len(network.inputs)))


def plain(network, weights, inputs):
    values = learnt(network, weights)
    rows = [plain_outputs(network, values, dict(zip(network.inputs, map(float, row), strict=True))) for row in inputs]
    return np.array(rows)[:, 0] if len(network.outputs) == 1 else np.array(rows)


def as_floats(tree, kind):
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, kind), tree)


def networks():
    return [*map(parse, EVERY_KIND), *(random_network(Random(seed), 4) for seed in range(8))]


def test_all_passes_are_the_plain_arithmetic_in_64_bits(each_pass):
    with jax.enable_x64(True):
        for seed, network in enumerate(networks()):
            weights, inputs = drawn(network, seed)
            outputs = jax.jit(neurons(network).apply)(as_floats(weights, "float64"), as_floats(inputs, "float64"))
            assert outputs.dtype == np.float64
            np.testing.assert_allclose(outputs, plain(network, weights, inputs), rtol=1e-12, atol=1e-12)


def test_all_passes_are_the_plain_arithmetic_in_32_bits_for_lanes_together(each_pass):
    for seed, network in enumerate(networks()):
        lanes = [as_floats(drawn(network, 100 * seed + lane)[0], "float32") for lane in range(3)]
        inputs = as_floats(drawn(network, seed)[1], "float32")
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *lanes)
        outputs = jax.jit(jax.vmap(neurons(network).apply, in_axes=(0, None)))(stacked, inputs)
        assert outputs.dtype == np.float32
        for own, weights in zip(outputs, lanes, strict=True):
            expected = plain(network, weights, np.asarray(inputs))
            assert own.shape == expected.shape
            np.testing.assert_allclose(own, expected, rtol=1e-6, atol=1e-6)


def test_the_gradient_of_a_walk_is_that_of_the_layers(monkeypatch):
    found = []
    for layers in (0, 10**9):
        monkeypatch.setattr(passes, "MANY_LAYERS", layers)
        with jax.enable_x64(True):
            found.append([])
            for seed, network in enumerate(networks()[-8:]):
                model, (weights, inputs) = neurons(network), drawn(network, seed)
                gradient = jax.jit(jax.grad(lambda w, x, m=model: (m.apply(w, x) ** 2).sum()))
                found[-1].append(gradient(as_floats(weights, "float64"), as_floats(inputs, "float64")))
    for walked, layered in zip(*found, strict=True):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12), walked, layered)


def test_a_network_of_400_layers_trains():
    """Written out, each layer, it would compile for minutes."""
    text = "\n".join(["n0 = a0*xp", *(f"n{i} = a{i}*n{i - 1} + xp" for i in range(1, 400))])
    model = neurons(text)
    assert len(model.network.layers) == 400
    weights, inputs = drawn(model.network, 0)
    gradient = jax.jit(jax.grad(lambda w: model.apply(w, jnp.asarray(inputs, "float32")).sum()))(
        as_floats(weights, "float32")
    )
    assert gradient["weights"].shape == (400,) and float(gradient["weights"][-1]) != 0


def test_one_output_gives_a_number_an_example_and_several_a_row():
    weights, inputs = drawn(parse(FOUR_TWO_ONE), 0, examples=5)
    assert neurons(FOUR_TWO_ONE).apply(weights, jnp.asarray(inputs)).shape == (5,)
    two = "u = a*xp\nv = b*xp"
    weights, inputs = drawn(parse(two), 0, examples=5)
    assert neurons(two).apply(weights, jnp.asarray(inputs)).shape == (5, 2)


def test_weights_begin_between_the_two_numbers_and_alike_from_one_key():
    model = neurons("\n".join(f"n{i} = a{i}*xp" for i in range(500)), initial_range=(-2, -1.5))
    weights = model.init(jax.random.key(3))
    for leaf in weights.values():
        assert leaf.shape == (500,) and leaf.min() >= -2 and leaf.max() < -1.5 and leaf.std() > 0.1
    assert not np.array_equal(weights["weights"], weights["biases"])
    again = model.init(jax.random.key(3))
    assert all(np.array_equal(weights[name], again[name]) for name in weights)
    assert float(neurons("o = a*xp", initial_range=[0.5, 0.5]).init(jax.random.key(0))["weights"][0]) == 0.5


def test_what_was_learnt_has_its_name():
    weights = {"weights": np.array([1.0, 2.0, 3.0]), "biases": np.array([4.0, 5.0])}
    assert learnt(parse("o = c*xp + a*u\nu = b*xp"), weights) == {
        "c": 1.0,
        "a": 2.0,
        "b": 3.0,
        "bias_o": 4.0,
        "bias_u": 5.0,
    }


def test_watched_names_are_recorded():
    model = neurons("o = c*xp + a*u\nu = b*xp", watch=["a", "bias_u"])
    weights = {"weights": np.array([1.0, 2.0, 3.0]), "biases": np.array([4.0, 5.0])}
    assert model.watch(weights) == {"a": 2.0, "bias_u": 5.0}
    assert neurons("o = alone*xp", watch="alone").watch(weights) == {"alone": 1.0}
    assert neurons("o = c*xp").watch is None


def test_a_model_is_made_again_from_its_text_and_named_after_it():
    model = fallline.neurons(FOUR_TWO_ONE, activation="tanh")
    assert parse(model.text) == model.network == neurons(model.network).network
    assert model.name == neurons(model.text).name != neurons(FOUR_TWO_ONE).name
    assert neurons(FOUR_TWO_ONE, name="mine").name == "mine"


@pytest.mark.parametrize("name", ["aP", "bias_xp", "xw", "xp", "bias", "", 3])
def test_an_unknown_name_to_watch_is_refused(name):
    with pytest.raises(UnknownName, match="no parameter or bias is named"):
        neurons("xw = ap*xp", watch=["ap", name])


@pytest.mark.parametrize(
    "initial_range", [(1, 0), (0, math.inf), (math.nan, 1), (0,), (0, 1, 2), 1.0, None, ("low", 1), (0, 10**400)]
)
def test_the_initial_range_must_be_two_finite_numbers_the_lower_first(initial_range):
    with pytest.raises(ModelError, match="initial_range must be two finite numbers, the lower first, got "):
        neurons("xw = ap*xp", initial_range=initial_range)


@pytest.mark.parametrize("shape", [(5, 3), (5, 5), (5, 0), (4, 5), (4, 2, 2), (5,), ()])
def test_another_number_of_inputs_is_refused(shape):
    model = neurons(FOUR_TWO_ONE)
    with pytest.raises(ModelError, match="the network has 4 inputs, xp, xq, xr, xs, and got examples of shape"):
        model.apply(model.init(jax.random.key(0)), jnp.zeros(shape))


def test_a_network_made_by_hand_is_checked_as_a_text_is():
    ring = Network(
        ("xp",),
        (
            Neuron("u", (Term(1.0, None, (("v", 1), ("xp", 1))),), "tanh"),
            Neuron("v", (Term(1.0, None, (("u", 1),)),), "tanh"),
        ),
    )
    with pytest.raises(NetworkError, match="a cycle: u reads v reads u"):
        neurons(ring)
