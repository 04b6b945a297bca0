"""Networks of random make: what is printed reads back, and of ten thousand texts none does anything unexpected."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fallline.errors import NetworkError
from fallline.networks import Network, parse
from random_networks import STRANGE, random_network

TEXTS = (
    "xw = ab*xa + bc*xb + cd*xc + ac*xd",
    "xw=ap*xp+aq*xq+ar*xr+as*xs\nxz=bp*xp+bq*xq+br*xr+bs*xs\nxo=cp*xw+cq*xz",
    "inputs: p, q # two\nactivation: tanh\nu = a*p + b*q^2; v = relu(c*u\n  - 2.5e-1*d)\r\no = identity(e*u*v)",
    "o = b*h**3 + 1\r\n\th = sigmoid(-a*xa + .5)\n\n# done",
)
PIECES = (
    "+",
    "-",
    "*",
    "**",
    "^",
    "=",
    "(",
    ")",
    ":",
    ",",
    ";",
    "#",
    "\n",
    "\r\n",
    "\t",
    " ",
    "2",
    "17",
    "0.5",
    "1e-3",
    "1e999",
    ".",
    "xw",
    "xa",
    "ap",
    "o",
    "bias_o",
    "inputs:",
    "activation:",
    "tanh",
    "relu(",
    "soft",
    "$",
    "é",
    "\x00",
    "\u2028",
    "\udfff",
    "x" * 61,
)

randoms = st.randoms(use_true_random=True)


def mutated(rng: Random, text: str) -> str:
    """The text after one accident or two."""
    for _ in range(rng.choice((1, 1, 2))):
        at, kind = rng.randint(0, len(text)), rng.randrange(7)
        end = min(len(text), at + rng.randint(1, 6))
        if kind == 0:
            text = text[:at] + text[end:]
        elif kind == 1:
            text = text[:at] + rng.choice(PIECES) + text[at:]
        elif kind == 2:
            text = text[:at] + text[at:end][::-1] + text[end:]
        elif kind == 3:
            text = text[:at] + chr(rng.choice((rng.randrange(128), rng.randrange(0x110000)))) + text[at:]
        elif kind == 4:
            text = text[:at] + text[at:end] + text[at:]
        else:
            lines = text.split("\n")
            if kind == 5:
                lines.insert(rng.randint(0, len(lines)), rng.choice(lines))
            else:
                rng.shuffle(lines)
            text = "\n".join(lines)
    return text


def random_text(rng: Random) -> str:
    kind = rng.randrange(10)
    if kind == 0:
        return "".join(rng.choices(PIECES, k=rng.randint(0, 20)))
    if kind < 5:
        return mutated(rng, rng.choice(TEXTS))
    return mutated(rng, str(random_network(rng, 4, STRANGE, 16)))


def outcome(text: str) -> str:
    """What came of a text, by its kind, after the promise is checked: an error with a place, or a fixed point."""
    try:
        network = parse(text)
    except NetworkError as error:
        head, shown, caret = str(error).split("\n")
        line, column = (int(word) for word in head.removeprefix("network, line ").partition(":")[0].split(", column "))
        source = [*text.split("\n")][line - 1]
        assert column <= len(source) + 1 and len(head) < 400 and len(shown) <= 104
        under = (shown + " ")[len(caret) - 1]
        assert under in ((source + " ")[column - 1], " ", "?")
        return "refused"
    printed = str(network)
    again = parse(printed)
    assert again == network and str(again) == printed
    return "read"


@pytest.mark.parametrize("start", range(4))
def test_of_ten_thousand_texts_each_gives_an_error_with_a_place_or_a_network_that_reads_back(start):
    rng = Random(start)
    counts = Counter(outcome(random_text(rng)) for _ in range(2_500))
    assert counts["refused"] > 500 and counts["read"] > 500 and counts.total() == 2_500


@settings(deadline=None, max_examples=200)
@given(randoms, st.integers(1, 8))
def test_a_network_built_as_data_prints_to_a_text_that_reads_back_as_it(rng, size):
    network = random_network(rng, size, STRANGE, 16)
    assert parse(str(network)) == network
    assert str(parse(str(network))) == str(network)


@settings(deadline=None, max_examples=200)
@given(st.text(st.sampled_from("xaw =+-*^()2.e5:,;#\n\t$é"), max_size=40))
def test_any_text_gives_an_error_with_a_place_or_a_network(text):
    assert outcome(text) in ("refused", "read")


@settings(deadline=None, max_examples=200)
@given(randoms, st.integers(1, 8))
def test_order_layers_outputs_and_parameters_are_as_defined(rng, size):
    network = random_network(rng, size)
    waiting, done = list(network.neurons), list(network.inputs)
    while waiting:
        first = next(one for one in waiting if all(name in done for name in one.sources))
        waiting.remove(first)
        done.append(first.name)
    assert [neuron.name for neuron in network.ordered] == done[len(network.inputs) :]
    assert [[one for one in network.neurons if depth(network, one.name) == i] for i in range(len(network.layers))] == [
        list(layer) for layer in network.layers
    ]
    printed = {neuron.name: str(neuron).partition("=")[2] for neuron in network.neurons}
    words = {
        name: set("".join(one if one.isalnum() or one == "_" else " " for one in text).split()[1:])
        for name, text in printed.items()
    }
    assert network.outputs == tuple(name for name in words if not any(name in read for read in words.values()))
    parameters = set().union(*words.values()) - set(network.inputs) - set(printed)
    assert set(network.parameters) == {name for name in parameters if not name[0].isdigit()}
    assert len(set(network.parameters)) == len(network.parameters)


def depth(network: Network, name: str) -> int:
    """Neurons on the longest way from an input to ``name``, without it."""
    neuron = next((one for one in network.neurons if one.name == name), None)
    return -1 if neuron is None else 1 + max((depth(network, source) for source in neuron.sources), default=-1)
