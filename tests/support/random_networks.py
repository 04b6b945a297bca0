"""Random networks as data, and what their arithmetic gives when it is written out in plain Python."""

import math
from random import Random

from fallline.networks import ACTIVATIONS, Network, Neuron, Term

COEFFICIENTS = (1.0, 1.0, 1.0, -1.0, 0.5, -0.25, 2.0, 0.1)
STRANGE = (*COEFFICIENTS, 0.0, -3.0, 1e-7, -1e20, 1e15, 999999999999999.0, 1 / 3, 3.4e38, 1.2e-38, 123456.789e-30)
WORDS = (*ACTIVATIONS, "inputs", "activation", "bias_", "e", "E5", "_")
FUNCTIONS = {
    "sigmoid": lambda s: 1 / (1 + math.exp(-s)),
    "tanh": math.tanh,
    "relu": lambda s: max(s, 0.0),
    "identity": lambda s: s,
}


def random_network(
    rng: Random, size: int = 6, coefficients: tuple[float, ...] = COEFFICIENTS, power: int = 3
) -> Network:
    """A network of up to ``size`` neurons, inputs, and names of parameters; neurons stand in any order."""
    names: set[str] = set()
    neurons, parameters, inputs = ([_new_name(rng, names) for _ in range(rng.randint(1, size))] for _ in range(3))
    parameters = [name for name in parameters if not name.startswith(("x", "bias_"))]
    made: list[Neuron] = []
    for name in neurons:
        sources = [*inputs, *(one.name for one in made)]
        terms = [_random_term(rng, parameters, sources, coefficients, power) for _ in range(rng.randint(1, size))]
        made.append(Neuron(name, tuple(terms), rng.choice(ACTIVATIONS)))
    read = {source for neuron in made for source in neuron.sources}
    kept = tuple(name for name in inputs if name in read)
    if not kept:
        return random_network(rng, size, coefficients, power)
    rng.shuffle(made)
    return Network(kept, tuple(made))


def plain_outputs(network: Network, values: dict[str, float], inputs: dict[str, float]) -> list[float]:
    """The outputs by the definition: a neuron is its activation of the sum of its terms and its bias."""
    neurons = {neuron.name: neuron for neuron in network.neurons}

    def value(name: str) -> float:
        if name in inputs:
            return inputs[name]
        total = values[f"bias_{name}"]
        for term in neurons[name].terms:
            parameter = 1.0 if term.parameter is None else values[term.parameter]
            total += term.coefficient * parameter * math.prod(value(source) ** power for source, power in term.sources)
        return FUNCTIONS[neurons[name].activation](total)

    return [value(name) for name in network.outputs]


def _new_name(rng: Random, names: set[str]) -> str:
    while True:
        name = rng.choice(("x", "x", *"abyzQ", *WORDS)) + "".join(rng.choices("abxE_019", k=rng.randint(0, 3)))
        if name not in names:
            names.add(name)
            return name


def _random_term(
    rng: Random, parameters: list[str], sources: list[str], coefficients: tuple[float, ...], power: int
) -> Term:
    chosen = rng.sample(sources, min(len(sources), rng.choice((0, 1, 1, 1, 2, 3))))
    parameter = rng.choice(parameters) if parameters and rng.random() < 0.8 else None
    return Term(rng.choice(coefficients), parameter, tuple((name, rng.randint(1, power)) for name in chosen))
