"""explain(): its gradients against JAX's, against central differences in 50 digits, and against passes written out."""

import decimal
import math
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st

from fallline.errors import FalllineError, NetworkError, UnknownName
from fallline.networks import explain, parse, passes

CLOSE = 1e-9
ONE_NEURON = "xw = ab*xa + bc*xb + cd*xc + ac*xd"
TWO_LAYERS = "xw=ap*xp+aq*xq+ar*xr+as*xs\nxz=bp*xp+bq*xq+br*xr+bs*xs\nxo=cp*xw+cq*xz"
ACTIVATIONS = ("sigmoid", "tanh", "relu", "identity")
HYPERPARAMETERS = st.floats(-1.5, 1.5).map(lambda value: round(value, 6))


@st.composite
def graphs(draw):
    """Lines of a network, 1 to 5 layers deep: (name, activation, [(coefficient, parameter, {source: power}), ...])."""
    known, lines = ["x0", "x1", "x2"], []
    for depth in range(draw(st.integers(1, 5))):
        before = [line[0] for line in lines if line[0].startswith(f"n{depth - 1}_")] or ["x0"]
        layer = []
        for place in range(draw(st.integers(1, 2))):
            terms = [
                (
                    draw(st.sampled_from([1, 1, 1, -1, 2, 0.5, -0.3])),
                    draw(st.sampled_from([None, "a0", "a1", "a2", "b"])),
                    draw(st.dictionaries(st.sampled_from(known), st.integers(1, 3), max_size=2)),
                )
                for _ in range(draw(st.integers(0, 3)))
            ]
            own = (
                draw(st.sampled_from([1, -1, 0.5])),
                draw(st.sampled_from(["a0", f"c{depth}{place}"])),
                {draw(st.sampled_from(before)): draw(st.sampled_from([1, 1, 2]))},
            )
            layer.append((f"n{depth}_{place}", draw(st.sampled_from(ACTIVATIONS)), [own, *terms]))
        lines += layer
        known += [line[0] for line in layer]
    return lines


def text_of(lines):
    """The lines in the language of networks."""

    def product(coefficient, parameter, sources):
        factors = [
            repr(abs(coefficient)),
            *([parameter] if parameter else []),
            *(f"{name}^{power}" for name, power in sources.items()),
        ]
        return ("-" if coefficient < 0 else "+") + "*".join(factors)

    return "\n".join(
        f"{name} = {activation}({' '.join(product(*term) for term in terms)})" for name, activation, terms in lines
    )


def plain(lines, example, targets, values):
    """The loss of the lines in 50 digits, written without any of the package; and the sums, none beyond 60."""
    known, sums = {name: Decimal(value) for name, value in (example | values).items()}, {}
    for name, activation, terms in lines:
        total = known[f"bias_{name}"]
        for coefficient, parameter, sources in terms:
            part = Decimal(coefficient) * (known[parameter] if parameter else 1)
            for source, power in sources.items():
                part *= known[source] ** power
            total += part
        sums[name] = total
        if abs(total) > 60:
            raise OverflowError
        known[name] = {
            "sigmoid": lambda z: 1 / (1 + (-z).exp()),
            "identity": lambda z: z,
            "relu": lambda z: max(z, Decimal(0)),
            "tanh": lambda z: 1 - 2 / (1 + (2 * z).exp()),
        }[activation](total)
    return sum((known[name] - Decimal(wanted)) ** 2 for name, wanted in targets.items()), sums


def central_differences(lines, example, targets, values):
    """dL/d(each value) as (L(v + h) - L(v - h)) / 2h with h = 1e-15 in 50 digits: exact to about 1e-28."""
    found, step = {}, Decimal("1e-15")
    for name, value in values.items():
        up, down = (plain(lines, example, targets, values | {name: Decimal(value) + h})[0] for h in (step, -step))
        found[name] = float((up - down) / (2 * step))
    return found


def jax_gradients(network, example, targets, values):
    """The gradient of the package's own forward pass, in float64, of a batch of this one example."""
    import jax
    import jax.numpy as jnp

    with jax.enable_x64(True):
        run = passes.forward(network)
        biases = [f"bias_{neuron.name}" for neuron in network.neurons]
        inputs = jnp.array([[example[name] for name in network.inputs]], jnp.float64)
        wanted = jnp.array([targets[name] for name in network.outputs], jnp.float64)

        def loss(weights, own):
            return jnp.sum((run(weights, own, inputs).reshape(-1) - wanted) ** 2)

        gradients = jax.grad(loss, (0, 1))(
            jnp.array([values[name] for name in network.parameters], jnp.float64),
            jnp.array([values[name] for name in biases], jnp.float64),
        )
        assert gradients[0].dtype == jnp.float64
        return dict(zip([*network.parameters, *biases], np.concatenate(gradients).tolist(), strict=True))


def same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert abs(found[name] - value) <= CLOSE * max(1.0, abs(value)), (name, found[name], value)


@st.composite
def explained(draw):
    """A random network with an example, targets and values, away from the kinks of relu."""
    lines = draw(graphs())
    network = parse(text_of(lines))
    example = {name: draw(HYPERPARAMETERS) for name in network.inputs}
    targets = {name: draw(HYPERPARAMETERS) for name in network.outputs}
    values = {name: draw(HYPERPARAMETERS) for name in [*network.parameters, *(f"bias_{line[0]}" for line in lines)]}
    try:
        with decimal.localcontext(prec=50):
            _, sums = plain(lines, example, targets, values)
    except OverflowError:
        reject()
    assume(all(abs(sums[name]) > 1e-3 for name, activation, _ in lines if activation == "relu"))
    return lines, network, example, targets, values


RANDOM = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


@RANDOM
@given(explained())
def test_gradients_of_random_graphs_agree_three_ways(case):
    lines, network, example, targets, values = case
    told = explain(network, example, targets, values)
    with decimal.localcontext(prec=50):
        assert told.loss == pytest.approx(float(plain(lines, example, targets, values)[0]), rel=CLOSE, abs=CLOSE)
        same(told.gradients, central_differences(lines, example, targets, values))
    same(told.gradients, jax_gradients(network, example, targets, values))


def test_a_wide_layer_that_jax_takes_as_one_product_agrees_too():
    terms = {
        f"n{j}": [(0.5, f"w{i}{j}", {f"x{i}": 1 + (i + j) % 2}) for i in range(9)] + [(0.3, None, {"x1": 1})]
        for j in range(8)
    }
    lines = [(name, "tanh", own) for name, own in terms.items()]
    lines += [("o", "sigmoid", [(1, f"v{name}", {name: 1}) for name in terms])]
    network = parse(text_of(lines))
    assert sum(len(neuron.terms) for neuron in network.layers[0]) > passes.MANY_TERMS
    random = np.random.default_rng(3)
    example = dict(zip(network.inputs, random.normal(size=9).tolist(), strict=True))
    names = [*network.parameters, *(f"bias_{line[0]}" for line in lines)]
    values = dict(zip(names, random.normal(size=len(names)).tolist(), strict=True))
    told = explain(network, example, 1.0, values)
    same(told.gradients, jax_gradients(network, example, {"o": 1.0}, values))
    with decimal.localcontext(prec=50):
        same(told.gradients, central_differences(lines, example, {"o": 1.0}, values))


def sigmoid(total):
    return 1 / (1 + math.exp(-total))


def test_the_one_neuron_of_four_inputs_matches_its_pass_written_out():
    ab, bc, cd, ac, bias, xa, xb, xc, xd, y = 0.3, -0.7, 0.2, 0.9, 0.1, 1.5, -0.5, 2.0, 0.25, 1.0
    o = sigmoid(ab * xa + bc * xb + cd * xc + ac * xd + bias)
    d = 2 * (o - y) * o * (1 - o)
    values = {"ab": ab, "bc": bc, "cd": cd, "ac": ac, "bias_xw": bias}
    told = explain(ONE_NEURON, [xa, xb, xc, xd], y, values)
    assert told.loss == pytest.approx((o - y) ** 2, rel=1e-14) and told.outputs == {"xw": pytest.approx(o, rel=1e-14)}
    assert told.gradients == pytest.approx(
        {"ab": d * xa, "bc": d * xb, "cd": d * xc, "ac": d * xd, "bias_xw": d}, rel=1e-13
    )


def test_the_network_4_2_1_matches_its_pass_written_out():
    x = dict(zip("pqrs", (0.4, -1.2, 0.7, 1.0), strict=True))
    a, b = (dict(zip("pqrs", numbers, strict=True)) for numbers in ((0.1, 0.5, -0.3, 0.8), (0.6, -0.2, 0.9, 0.4)))
    cp, cq, bias_xw, bias_xz, bias_xo, y = 0.7, -0.4, 0.05, 0.15, 0.25, 0.0
    xw = sigmoid(a["p"] * x["p"] + a["q"] * x["q"] + a["r"] * x["r"] + a["s"] * x["s"] + bias_xw)
    xz = sigmoid(b["p"] * x["p"] + b["q"] * x["q"] + b["r"] * x["r"] + b["s"] * x["s"] + bias_xz)
    xo = sigmoid(cp * xw + cq * xz + bias_xo)
    d_xo = 2 * (xo - y) * xo * (1 - xo)
    d_xw = d_xo * cp * xw * (1 - xw)
    d_xz = d_xo * cq * xz * (1 - xz)
    expected = {
        "ap": d_xw * x["p"],
        "aq": d_xw * x["q"],
        "ar": d_xw * x["r"],
        "as": d_xw * x["s"],
        "bp": d_xz * x["p"],
        "bq": d_xz * x["q"],
        "br": d_xz * x["r"],
        "bs": d_xz * x["s"],
        "cp": d_xo * xw,
        "cq": d_xo * xz,
        "bias_xw": d_xw,
        "bias_xz": d_xz,
        "bias_xo": d_xo,
    }
    values = (
        {f"a{k}": v for k, v in a.items()}
        | {f"b{k}": v for k, v in b.items()}
        | {"cp": cp, "cq": cq, "bias_xw": bias_xw, "bias_xz": bias_xz, "bias_xo": bias_xo}
    )
    told = explain(TWO_LAYERS, {f"x{k}": v for k, v in x.items()}, {"xo": y}, values, learning_rate=0.5)
    assert told.gradients == pytest.approx(expected, rel=1e-12) and list(told.gradients) == list(expected)
    assert told.after == pytest.approx({name: values[name] - 0.5 * expected[name] for name in values}, rel=1e-12)
    assert told.loss == pytest.approx((xo - y) ** 2, rel=1e-13)
    assert max(map(len, str(told).splitlines())) <= 120 and len(str(told).splitlines()) <= 40, "one screen"


def test_a_learnable_used_twice_a_neuron_read_twice_and_two_outputs_add_up():
    """n = a x; p = a n^2 + 3; q = n - 2 b n: L = (p - 1)^2 + (q - 2)^2, all identities, by hand."""
    x, a, b, n = 2.0, 0.5, 0.25, 1.0
    p, q = a * n**2 + 3, n - 2 * b * n
    dp, dq = 2 * (p - 1), 2 * (q - 2)
    dn = dp * 2 * a * n + dq * 1 + dq * -2 * b
    zero = {"bias_n": 0, "bias_p": 0, "bias_q": 0}
    text = "activation: identity\nn = a*x\np = a*n^2 + 3\nq = n - 2*b*n"
    told = explain(text, x, {"q": 2, "p": 1}, {"a": a, "b": b, **zero})
    assert told.outputs == {"p": p, "q": q}
    assert told.gradients == {"a": dp * n**2 + dn * x, "b": dq * -2 * n, "bias_n": dn, "bias_p": dp, "bias_q": dq}
    row = next(row for row in told.parameters if row.name == "a")
    assert [path.value for path in row.paths] == [dp * n**2, dn * x]
    back = {row.name: row for row in told.backward}
    assert sorted(path.value for path in back["n"].paths) == sorted([dp * 2 * a * n, dq, dq * -2 * b])


def test_relu_at_zero_has_derivative_zero_as_in_jax_and_says_so():
    network = parse("o = relu(a*x)")
    told = explain(network, 0.0, 1.0, {"a": 2.0, "bias_o": 0.0})
    assert told.gradients == jax_gradients(network, {"x": 0.0}, {"o": 1.0}, {"a": 2.0, "bias_o": 0.0})
    assert told.gradients["bias_o"] == 0 and "0, taken where the sum = 0" in str(told)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_derivatives_far_out_do_not_cancel(activation):
    for total in (-30.0, 30.0):
        told = explain(f"o = {activation}(a*x)", total, 0, {"a": 1, "bias_o": 0})
        with decimal.localcontext(prec=80):
            z = Decimal(total)
            exact = 1 / (2 + z.exp() + (-z).exp()) if activation == "sigmoid" else 4 / (z.exp() + (-z).exp()) ** 2
        assert told.backward[0].derivative == pytest.approx(float(exact), rel=1e-12)
        assert "1 - 1" not in str(told), "what a pencil would make 0 is written another way"


def test_the_tables_show_each_number_with_its_formula():
    told = explain(
        "xw = ap*xp + aq*xq", {"xp": 1, "xq": 2}, 1, {"ap": 0.5, "aq": 0.2, "bias_xw": 0.1}, learning_rate=0.1
    )
    assert (
        str(told)
        == """\
Forward, from the inputs to the loss
        in names, then in numbers
inputs  xp = 1, xq = 2
xw      = sigmoid(ap*xp + aq*xq + bias_xw)
        = sigmoid(0.5*1 + 0.2*2 + 0.1)
        = sigmoid(0.5 + 0.4 + 0.1) = sigmoid(1) = 0.73106
loss    = (xw - target)^2
        = (0.73106 - 1)^2 = 0.072329

Backward, from the loss to the inputs; d[n] is the gradient of the loss at the sum of neuron n
neuron  where it comes from                dL/dvalue  * derivative of the activation   = d[neuron]
xw      2*(xw - target) = 2*(0.73106 - 1)   -0.53788  0.73106*(1 - 0.73106) = 0.19661     -0.10575

Gradients of the parameters and biases; after a step: value - 0.1 * gradient
name     where it comes from      gradient  value  after a step
ap       d[xw]*xp = (-0.10575)*1  -0.10575    0.5       0.51058
aq       d[xw]*xq = (-0.10575)*2  -0.21151    0.2       0.22115
bias_xw  d[xw] = -0.10575         -0.10575    0.1       0.11058"""
    )


def test_signs_powers_and_constants_are_written_as_one_would():
    told = explain("xo = identity(-2*a*xp^3 - xq + 1.5)", [-2, 0.5], [-1], {"a": -0.25, "bias_xo": -1})
    text = str(told)
    assert "= identity(-2*a*xp^3 - xq + 1.5 + bias_xo)" in text
    assert "= identity(-2*(-0.25)*(-2)^3 - 0.5 + 1.5 - 1)" in text
    assert "= identity(-4 - 0.5 + 1.5 - 1) = identity(-4) = -4" in text
    assert "(-4 - (-1))^2 = 9" in text and "d[xo]*(-2)*xp^3 = (-6)*(-2)*(-2)^3" in text
    assert told.gradients == {"a": -96.0, "bias_xo": -6.0}


@RANDOM
@given(explained())
def test_a_pencil_gets_each_product_from_its_numbers(case):
    """The factors shown have five digits: their product is the value to four."""
    told = explain(*case[1:])
    products = [term for row in told.neurons for term in row.terms]
    products += [path for row in (*told.backward, *told.parameters) for path in row.paths if "target" not in path.names]
    for one in products:
        shown = eval(one.numbers.replace("^", "**"), {"__builtins__": {}})
        assert shown == pytest.approx(one.value, rel=1e-3), one
    frame = told.frame()
    for part, what in (("backward", "value_gradient"), ("gradients", "gradient")):
        own = frame.filter(frame["pass"] == part)
        sums = dict(own.filter(own["what"] == "path").group_by("name").agg(pl.col("value").sum()).iter_rows())
        totals = dict(own.filter(own["what"] == what).select("name", "value").iter_rows())
        assert totals == pytest.approx(sums, abs=1e-9) and len(totals) == len(
            told.neurons if part == "backward" else told.gradients
        )


def test_the_frame_has_a_row_for_every_quantity():
    told = explain(
        ONE_NEURON, [1, 2, 3, 4], 0, {"ab": 0.1, "bc": 0.2, "cd": 0.3, "ac": 0.4, "bias_xw": 0.5}, learning_rate=1
    )
    frame = told.frame()
    counts = dict(frame["what"].value_counts().iter_rows())
    assert counts == {
        "input": 4,
        "term": 4,
        "bias": 1,
        "sum": 1,
        "value": 1,
        "loss": 1,
        "path": 1 + 5,
        "value_gradient": 1,
        "derivative": 1,
        "sum_gradient": 1,
        "gradient": 5,
        "after": 5,
    }
    assert dict(frame.filter(frame["what"] == "gradient").select("name", "value").iter_rows()) == told.gradients
    assert frame.filter(frame["what"] == "sum")["numbers"].item() == "0.1*1 + 0.2*2 + 0.3*3 + 0.4*4 + 0.5"


def test_a_notebook_shows_the_same_tables_escaped():
    told = explain("xo = relu(a*xp)", 1, 0, {"a": 1, "bias_xo": 0})
    page = told._repr_html_()
    assert page.count("<table>") == 3 and "as the sum &gt; 0" in page and "sum > 0" not in page
    assert all(row[0] in page for table in told.tables for row in table.rows)


def test_examples_and_targets_come_by_name_or_in_order_and_as_arrays():
    values = {"ap": 0.5, "aq": 0.2, "bias_xw": 0.1}
    network = parse("xw = ap*xp + aq*xq")
    first = explain(network, {"xq": 2, "xp": 1}, {"xw": 1}, values)
    for example, target in (
        ([1, 2], [1]),
        (np.array([1, 2]), np.float32(1)),
        ((1.0, np.int64(2)), np.ones(1)),
        (range(1, 3), True),
    ):
        assert explain(network, example, target, values) == first
    assert explain(network, [1, 2], 1, values) == first


GOOD = {
    "network": "xw = ap*xp + aq*xq",
    "example": [1, 2],
    "target": 1,
    "values": {"ap": 0.5, "aq": 0.2, "bias_xw": 0.1},
}
WRONG = [
    ({"values": {"ap": 1, "aq": 1}}, NetworkError, "values must hold a number for each of ap, aq, bias_xw; bias_xw is"),
    ({"values": {"ap": 1, "bias_xw": 1, "aqq": 2}}, UnknownName, "parameter or bias is named 'aqq'.*did you mean aq"),
    ({"values": [1, 2, 3]}, NetworkError, "values must map each parameter and bias to a number, got list"),
    ({"values": GOOD["values"] | {"ap": math.nan}}, NetworkError, "ap of values must be finite, got nan"),
    ({"values": GOOD["values"] | {"ap": "0.5"}}, NetworkError, "ap of values must be a number, got '0.5'"),
    ({"values": GOOD["values"] | {"ap": 10**400}}, NetworkError, "ap of values must be a number"),
    ({"example": {"xp": 1}}, NetworkError, "example must hold a number for each of xp, xq; xq is missing"),
    ({"example": {"xp": 1, "xq": 1, "xr": 1}}, UnknownName, "no input is named 'xr'"),
    ({"example": [1, 2, 3]}, NetworkError, "example must hold 2 numbers, in the order xp, xq; got 3"),
    ({"example": [[1, 2]]}, NetworkError, "example must hold 2 numbers, in the order xp, xq; got 1"),
    ({"example": np.ones((2, 2))}, NetworkError, "xp of example must be a number"),
    ({"example": [1, math.inf]}, NetworkError, "xq of example must be finite, got inf"),
    ({"example": [1, None]}, NetworkError, "xq of example must be a number, got None"),
    ({"example": "12"}, NetworkError, "example must be numbers by name, or in the order xp, xq"),
    ({"example": {1, 2}}, NetworkError, "example must be numbers by name, or in the order xp, xq"),
    ({"target": [1, 2]}, NetworkError, "target must hold 1 number, in the order xw; got 2"),
    ({"target": {"xp": 1}}, UnknownName, "no output is named 'xp'"),
    ({"loss": "hinge"}, UnknownName, "no loss is named 'hinge'.*squared_error"),
    ({"learning_rate": 0}, NetworkError, "learning_rate must be larger than 0, got 0"),
    ({"learning_rate": math.inf}, NetworkError, "learning_rate must be finite"),
    (
        {"example": [1e200, 1e200], "values": {"ap": 1e200, "aq": 1, "bias_xw": 0}},
        NetworkError,
        r"ap\*xp = \(1e\+200\)\*\(1e\+200\) is too large for a float; give smaller values",
    ),
    ({"network": "xw = identity(ap*xp^16 + aq*xq)", "example": [1e100, 1]}, NetworkError, "is too large for a float"),
    ({"target": -1e200}, NetworkError, "the loss is too large for a float"),
    (
        {"network": "xw = bias_xw*xp + aq*xq", "values": {"bias_xw": 1, "aq": 1}},
        NetworkError,
        "bias_xw is the bias that xw has unwritten.*another name",
    ),
]


@pytest.mark.parametrize(("change", "kind", "words"), WRONG)
def test_what_cannot_be_explained_is_said_with_a_remedy(change, kind, words):
    with pytest.raises(kind, match=words) as told:
        explain(**GOOD | change)
    assert isinstance(told.value, FalllineError) and len(str(told.value)) < 300


def test_a_chain_of_two_thousand_neurons_is_explained():
    lines = ["n0 = identity(a*x)", *(f"n{place} = identity(n{place - 1})" for place in range(1, 2000))]
    values = {"a": 3.0, **{f"bias_n{place}": 0.0 for place in range(2000)}}
    told = explain(lines, 2, 5, values)
    assert told.outputs == {"n1999": 6.0} and told.gradients["a"] == 2 * (6 - 5) * 2
