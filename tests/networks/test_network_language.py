"""The language of networks: what a text means, and each error with its line, its column and its caret."""

from itertools import pairwise

import pytest

import fallline
from fallline.errors import ModelError, NetworkError
from fallline.networks import Network, Neuron, Term, language, meaning, parse
from fallline.networks.language import MAX_CHARACTERS, MAX_NEURONS, SHOWN

FOUR_TWO_ONE = "xw=ap*xp+aq*xq+ar*xr+as*xs\nxz=bp*xp+bq*xq+br*xr+bs*xs\nxo=cp*xw+cq*xz"


def refusal(text, **parts):
    with pytest.raises(NetworkError) as told:
        parse(text, **parts)
    return str(told.value)


# the errors: an @ marks where the caret belongs, and is no part of the text


@pytest.mark.parametrize(
    "text, part",
    [
        ("xw = ap*xz\nxz = bp*@xw + cp*xp", "a cycle: xw reads xz reads xw;"),
        ("xw = ap*xp + aw*@xw", "a cycle: xw reads xw;"),
        ("xo = a*xu\nxu = b*xv + xp\nxv = c*xw\nxw = d*@xu", "a cycle: xu reads xv reads xw reads xu;"),
        ("inputs: xp, xq\nxw = ap*xp + aq*xq\nxo = c*@xv", "the name xv is unknown: neither an input nor a neuron"),
        (
            "inputs: xport\nxw = ap*@xprot",
            "the name xprot is unknown: neither an input nor a neuron; did you mean xport?",
        ),
        ("xw = ap*xp\n@xw = aq*xq", "xw is defined twice, first in line 1"),
        ("inputs: xp, @xp\nxw = ap*xp", "xp is defined twice, first in line 1"),
        ("inputs: xp, xw\n@xw = ap*xp", "xw is defined twice, first in line 1"),
        ("xw = ap*xp\ninputs: xp, @xw", "xw is defined twice, first in line 1"),
        ("xw = ap*@aq*xp", "two parameters in a product: ap and aq; a term has one at most"),
        ("xw = ap*xp*@ap", "two parameters in a product: ap and ap;"),
        ("xw = @ap^2*xp", "the parameter ap has a power; a term has one parameter, once"),
        ("xw = xp + @bias_xw", "bias_xw is the bias that xw has unwritten"),
        ("@", "the network is empty; write a line a neuron, as in: xw = ap*xp + aq*xq"),
        ("@ \n\n ; # nothing", "the network is empty"),
        ("@inputs: xp", "the network is empty"),
        ("@xw = ap", "the network has no input: no neuron reads a name that begins with x"),
        ("@xw = 2\nxo = a*xw", "the network has no input"),
        ("inputs: xp, @xq\nxw = ap*xp", "no neuron reads the input xq; use it, or leave it out here"),
        ("inputs: @p\nxw = ap", "no neuron reads the input p"),
        ("xw = ap*xp @xz", "xz does not continue the line; write + - or * before it, or begin a new line"),
        ("xw = ap*xp @2", "2 does not continue the line"),
        ("xw = 2@xp", "xp does not continue the line"),
        ("xw = ap*xp @= 3", "a line has one =; begin a new line before the name"),
        ("xw = ap*xp@, xz = bp*xp", "a comma stands only between the names of a header; write ; or begin a new line"),
        ("xw = ap*xp @) + xq", "this ) closes no bracket; leave it out"),
        ("xw = sigmoid(ap*xp) @+ xq", "nothing follows the bracket of an activation; give it a neuron of its own"),
        ("xw = @ap(xp)", "no activation is named ap"),
        ("xw = @softplus(ap*xp)", "no activation is named softplus; there are: sigmoid, tanh, relu, identity"),
        ("xw = @(ap*xp)", "brackets stand only around a whole sum, after its activation"),
        ("xw = ap*tanh@(xp)", "brackets stand only around a whole sum, after its activation"),
        ("xw = relu(ap*tanh@(xp))", "brackets stand only around a whole sum, after its activation"),
        ("xw = tanh(ap*xp\n@xz = bp*xq", "expected + - * or ) here, found xz; the ( of line 1 is still open"),
        ("xw = tanh(ap*xp@; xz = bp*xq", "found the end of the line; the ( of line 1 is still open"),
        ("xu = xq\nxw = tanh(ap*xp@", "found the end of the text; the ( of line 2 is still open"),
        ("xw = tanh(@)", "expected a name or a number, found )"),
        ("xw @ap*xp", "expected = after xw, found ap"),
        ("xw@\n = ap*xp", "expected = after xw, found the end of the line"),
        ("xw = ap*xp\n@= ap*xp", "expected the name of a neuron, as in: xw = ap*xp + aq*xq, found ="),
        ("@3 = ap*xp", "expected the name of a neuron, as in: xw = ap*xp + aq*xq, found 3"),
        ("xw = @", "expected a name or a number, found the end of the text"),
        ("xw = # ap@\nxz = xp", "expected a name or a number, found the end of the line"),
        ("xw = ap*@", "expected a name or a number, found the end of the text"),
        ("xw = ap*xp + @- xq", "expected a name or a number, found -"),
        ("xw = xp^@17", "a power must be a whole number from 1 to 16, found 17"),
        ("xw = xp**@0", "a power must be a whole number from 1 to 16, found 0"),
        ("xw = xp^@2.5", "a power must be a whole number from 1 to 16, found 2.5"),
        ("xw = xp^@-1", "a power must be a whole number from 1 to 16, found -"),
        ("xw = xp^@xq", "a power must be a whole number from 1 to 16, found xq"),
        ("xw = xp^2@^3", "only a name takes a power, and only one"),
        ("xw = 2@^3*xp", "only a name takes a power, and only one"),
        ("xw = xp^9*xq*@xp^8", "the powers of xp in this term add up to 17; at most 16 make sense"),
        (
            "xw = @1e400*xp",
            "the number of a term must be 0 or of a size from 1.2e-38 to 3.4e+38, and this makes it inf",
        ),
        ("xw = 1e20*@1e20*xp", "and this makes it 1e+40; numbers have 32 bits"),
        ("xw = @1e-99999*xp", "and this makes it 0; numbers have 32 bits"),
        ("xw = -1e-30*@1e-30*xp", "and this makes it -1e-60"),
        ("xw = 0*@1e400*xp", "and this makes it nan"),
        ("xw = ap*xp + @$", "'$' is no part of a network"),
        ("xw = ap@×xp", "'×' is no part of a network"),
        ("xw = @äp*xp", "'ä' is no part of a network; names are of the letters a to z, digits and _"),
        ("@\ufeffxw = ap*xp", "character 0xfeff is no part of a network"),
        ("xw = ap*xp @\udc80", "character 0xdc80 is no part of a network"),
        ("xw = @.", "'.' is no part of a network"),
        ("@output: xw\nxw = ap*xp", "no header is named output; there are: inputs, activation"),
        ("inputs: xp\n@inputs: xp\nxw = ap*xp", "the header inputs stands twice; leave one"),
        ("inputs:@\nxw = ap*xp", "expected a name after inputs:, found the end of the line"),
        ("inputs: xp,@\nxw = ap*xp", "expected a name after the comma, found the end of the line"),
        ("inputs: xp @xq\nxw = ap*xp", "xq does not continue the header; write a comma between names"),
        ("activation: @softplus\nxw = ap*xp", "no activation is named softplus"),
        ("activation: tanh, @relu\nxw = ap*xp", "one activation stands for all"),
        (f"xw = ap*@{'x' * 61}", "a name must have at most 60 characters, got 61"),
        ("\txw\t=\tap * @$", "'$' is no part"),
        ("# a comment with $\r\nxw = ap*xp\r\nxz = ap*@$\r\n", "'$' is no part"),
        ("xw = ap*xp; xz = ap*@$ ; xu = $", "'$' is no part"),
        ("xw = sigmoid(ap*xp\n   + aq*xq # half\n   + @*)", "expected a name or a number, found *"),
        ("xw = ap*xp @) + xq\nxz = $", "this ) closes no bracket"),
    ],
)
def test_an_error_names_line_and_column_and_its_caret_stands_under_the_place(text, part):
    before, _, after = text.partition("@")
    line, column = before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1
    message = refusal(before + after)
    head, shown, caret = message.split("\n")
    assert head.startswith(f"network, line {line}, column {column}: ") and part in head
    assert caret == " " * (4 + column - 1) + "^"
    source = (before + after).split("\n")[line - 1]
    assert shown[4:] == "".join(one if one.isprintable() else " " if one in "\t\r" else "?" for one in source)


def test_an_error_reads_as_one_screen():
    assert refusal("xw = ap*xp\nxo = cp*xw + cq*cr*xz") == (
        "network, line 2, column 17: two parameters in a product: cq and cr; a term has one at most. "
        "An input's name begins with x, or stands in a line inputs: ...\n"
        "    xo = cp*xw + cq*cr*xz\n"
        "                    ^"
    )


@pytest.mark.parametrize("before", [0, 30, 99, 100, 5_000, 400_000])
@pytest.mark.parametrize("after", [0, 30, 5_000])
def test_of_a_long_line_the_error_shows_the_part_around_the_place(before, after):
    head, shown, caret = refusal("xw = xp\nxo =" + " " * before + "$" + " " * after).split("\n")
    assert head.startswith(f"network, line 2, column {5 + before}: ")
    assert len(shown) <= 4 + SHOWN and shown[len(caret) - 1] == "$"


def test_the_first_thing_wrong_is_told_first():
    assert "line 1, column 9" in refusal("xw = ap*+xp\nxz = ap*$")


def test_the_path_of_a_long_cycle_is_cut_in_the_middle():
    ring = "\n".join(f"n{i} = xp + n{(i + 1) % 1_000}" for i in range(1_000))
    assert "a cycle: n0 reads n1 reads n2 reads n3 reads ... reads n998 reads n999 reads n0;" in refusal(ring)


@pytest.mark.parametrize("text", [b"xw = ap*xp", 3, None, ["xw = ap*xp", 3], {"xw = ap*xp"}])
def test_what_is_no_text_is_refused(text):
    assert "a network is a text, or a list of lines, got " in refusal(text)


@pytest.mark.parametrize("activation", ["softplus", None, 3, ["tanh"]])
def test_an_activation_for_all_must_be_one_that_there_is(activation):
    assert "activation must be one of sigmoid, tanh, relu, identity, got " in refusal("xw = xp", activation=activation)


def test_an_error_of_a_network_is_one_of_a_model():
    with pytest.raises(ModelError, match="line 1, column 6"):
        fallline.neurons("xw = ?")


# what cannot be read is refused at once, whatever its size


@pytest.mark.parametrize(
    "text, part",
    [
        ("(" * 1_000_000, "expected the name of a neuron"),
        ("xw = " + "(" * 1_000_000, "brackets stand only"),
        ("xw = tanh" + "(" * 1_000_000, "brackets stand only"),
        ("xw = xp" + ")" * 1_000_000, "closes no bracket"),
        ("xw = " + "-" * 1_000_000, "found -"),
        ("xw = " + "1" * 1_000_000, "this makes it inf"),
        ("xw = xp + 0." + "0" * 1_000_000 + "1", "this makes it 0;"),
        ("xw = xp^" + "9" * 1_000_000, "a power must be"),
        ("xw = " + "a" * 1_000_000, "a name must have at most 60"),
        ("xw = " + "a" * 1_000_000 + "(xp)", "no activation is named"),
        ("a" * 1_000_000 + ": xp", "no header is named"),
        ("\n" * 1_000_000, "empty"),
        ("#" * 1_000_000, "empty"),
        ("xw = " + "xp*" * 50_000 + "xp", "add up to 17"),
        ("xw = " + "2*" * 50_000 + "xp", "this makes it"),
        ("xw=xp\n" * 5_000, "defined twice"),
        ("inputs:" + "xp," * 50_000 + "xp\nxw=xp", "defined twice"),
        ("\n".join(f"n{i}=xp" for i in range(MAX_NEURONS + 1)), "at most 10,000 neurons"),
        (" " * (MAX_CHARACTERS + 1), "at most 5,000,000 characters, got 5,000,001"),
        ("inputs: " + ",".join(f"x{i}" for i in range(50_000)) + "\nxw = xnone", "the name xnone is unknown"),
    ],
)
def test_hostile_text_is_refused_in_a_few_words(text, part):
    message = refusal(text)
    assert part in message and len(message) < 600 and message.count("\n") in (0, 2)


def test_terms_are_counted_over_all_neurons(monkeypatch):
    monkeypatch.setattr(language, "MAX_TERMS", 5)
    assert len(parse("xw = a*xp + xq\nxo = xw + xp + 1").neurons) == 2
    assert "line 2, column 17: a network must have at most 5 terms" in refusal("xw = a*xp + xq\nxo = xw + xp+1 +2")


def test_a_network_is_refused_that_would_be_too_long_to_read_when_printed(monkeypatch):
    for module in (language, meaning):
        monkeypatch.setattr(module, "MAX_CHARACTERS", 1_000)
    text = "xw = " + "+".join(f"1e14*x{i}" for i in range(10, 40))
    assert len(str(parse(text))) <= 1_000
    text = "xw = " + "+".join(f"1e14*x{i}" for i in range(10, 80))
    assert len(text) < 1_000 and "printed in full must have at most 1,000 characters, got 1,908" in refusal(text)


# what a text means


def test_one_neuron_as_data():
    assert parse("xw = ap*xp - 2.5*xq^2*xp + 3 - b") == Network(
        ("xp", "xq"),
        (
            Neuron(
                "xw",
                (
                    Term(1.0, "ap", (("xp", 1),)),
                    Term(-2.5, None, (("xq", 2), ("xp", 1))),
                    Term(3.0, None, ()),
                    Term(-1.0, "b", ()),
                ),
                "sigmoid",
            ),
        ),
    )


def test_inputs_parameters_and_outputs_of_the_network_of_seven():
    network = parse(FOUR_TWO_ONE)
    assert network.inputs == ("xp", "xq", "xr", "xs") and network.outputs == ("xo",)
    assert network.parameters == ("ap", "aq", "ar", "as", "bp", "bq", "br", "bs", "cp", "cq")
    assert [[neuron.name for neuron in layer] for layer in network.layers] == [["xw", "xz"], ["xo"]]
    assert {neuron.activation for neuron in network.neurons} == {"sigmoid"}


@pytest.mark.parametrize(
    "text, printed",
    [
        ("xw=ap*xp", "inputs: xp\nxw = sigmoid(ap*xp)"),
        ("xw = xp*ap*2*xp*.5e1", "inputs: xp\nxw = sigmoid(10*ap*xp^2)"),
        ("xw = -xp**2 - 0*xq", "inputs: xp, xq\nxw = sigmoid(-xp^2 - 0*xq)"),
        ("xw = tanh(1e-7*xp + 1e20 + 0.1*a)", "inputs: xp\nxw = tanh(1e-07*xp + 1e+20 + 0.1*a)"),
        ("activation: relu\nxw = a*xp; xo = identity(b*xw)", "inputs: xp\nxw = relu(a*xp)\nxo = identity(b*xw)"),
        ("inputs: p, q\nw = p*a + q*b", "inputs: p, q\nw = sigmoid(a*p + b*q)"),
        ("sigmoid = tanh(a*xp)\nxo = tanh*sigmoid", "inputs: xp\nsigmoid = tanh(a*xp)\nxo = sigmoid(tanh*sigmoid)"),
        ("inputs = xp; activation = inputs", "inputs: xp\ninputs = sigmoid(xp)\nactivation = sigmoid(inputs)"),
        ("# one\n\r\n; xw = tanh ( a *\n xp # two ; ) $\n) ;;\r\n\n", "inputs: xp\nxw = tanh(a*xp)"),
        ("\txw\t=\ta*xp\t;xo=b*xw", "inputs: xp\nxw = sigmoid(a*xp)\nxo = sigmoid(b*xw)"),
        (["xw = a*xp", "xo = b*xw"], "inputs: xp\nxw = sigmoid(a*xp)\nxo = sigmoid(b*xw)"),
        ("xw = xp^8*xp^8", "inputs: xp\nxw = sigmoid(xp^16)"),
    ],
)
def test_the_printed_form(text, printed):
    assert str(parse(text)) == printed and parse(printed) == parse(text)


def test_names_that_begin_with_x_are_inputs_unless_a_line_names_the_inputs():
    assert parse("o = a*xb + X").inputs == ("xb",) and parse("o = a*xb + X").parameters == ("a", "X")
    named = parse("o = xb*a + n*c\nn = a*b\ninputs: b, xb")
    assert named.inputs == ("b", "xb") and named.parameters == ("a", "c")


def test_the_activation_for_all_is_the_header_s_else_the_argument_s_and_a_neuron_s_own_comes_first():
    text = "u = xp\nv = relu(u)"
    assert [one.activation for one in parse(text).neurons] == ["sigmoid", "relu"]
    assert [one.activation for one in parse(text, activation="tanh").neurons] == ["tanh", "relu"]
    headed = parse(f"{text}\nactivation: identity", activation="tanh")
    assert [one.activation for one in headed.neurons] == ["identity", "relu"]


def test_neurons_are_ordered_by_what_they_read_and_else_as_written():
    network = parse("o = v + u\nv = xp\nu = w\nw = xq\nz = xp")
    assert [one.name for one in network.ordered] == ["v", "w", "u", "o", "z"]
    assert [[one.name for one in layer] for layer in network.layers] == [["v", "w", "z"], ["u"], ["o"]]
    assert network.outputs == ("o", "z")


def test_a_neuron_may_be_read_twice_and_past_a_layer():
    network = parse("u = xp\nv = u*u + u\no = v + u")
    assert [one.name for one in network.ordered] == ["u", "v", "o"] and len(network.layers) == 3
    assert network.neurons[1].terms[0].sources == (("u", 2),)


def test_a_chain_of_ten_thousand_neurons_written_last_first_is_read_and_ordered():
    names = [f"n{i}" for i in range(MAX_NEURONS)]
    lines = [f"{name} = a*{before}" for before, name in zip(["xp", *names], names, strict=False)]
    network = parse(lines[::-1])
    assert [neuron.name for neuron in network.ordered] == names and len(network.layers) == MAX_NEURONS
    assert network.outputs == (names[-1],) and parse(str(network)) == network


def test_a_neuron_may_read_thirty_thousand_inputs():
    network = parse("o = " + " + ".join(f"a{i}*x{i}" for i in range(30_000)))
    assert len(network.inputs) == len(network.parameters) == 30_000 and len(network.layers) == 1
    assert parse(str(network)) == network


def test_a_network_of_two_hundred_neurons_of_ten_is_read_ordered_and_layered():
    rows = [[f"x{i}" for i in range(10)]] + [[f"n{layer}_{i}" for i in range(10)] for layer in range(20)]
    text = "\n".join(
        f"{name} = " + " + ".join(f"w_{name}_{i}*{source}" for i, source in enumerate(above))
        for above, row in pairwise(rows)
        for name in row
    )
    network = parse(text)
    assert [[neuron.name for neuron in layer] for layer in network.layers] == rows[1:]
    assert len(network.ordered) == 200 and len(network.parameters) == 2_000 and network.outputs == tuple(rows[-1])


def test_a_text_is_read_alike_every_time():
    first, second = parse(FOUR_TWO_ONE), parse(FOUR_TWO_ONE)
    assert first == second and hash(first) == hash(second) and str(first) == str(second)
