"""A network as data: neurons, each an activation of a sum of terms; ordered, layered, and printed as text."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

ACTIVATIONS = ("sigmoid", "tanh", "relu", "identity")


@dataclass(frozen=True)
class Term:
    """``coefficient * parameter * source^power * ...``: at most one parameter, any number of sources.

    ``sources`` are names of inputs and neurons with their powers, each name once.
    """

    coefficient: float
    parameter: str | None
    sources: tuple[tuple[str, int], ...]

    @property
    def factors(self) -> str:
        """The term as text, without its sign."""
        size = abs(self.coefficient)
        powers = [name if power == 1 else f"{name}^{power}" for name, power in self.sources]
        named = [*([self.parameter] if self.parameter else []), *powers]
        return "*".join([*([] if size == 1 and named else [_number(size)]), *named])


@dataclass(frozen=True)
class Neuron:
    """``name = activation(sum of terms + bias)``; every neuron has its own bias, which the text does not show."""

    name: str
    terms: tuple[Term, ...]
    activation: str

    @property
    def sources(self) -> tuple[str, ...]:
        """The inputs and neurons it reads, each once, in the order of the text."""
        return tuple(dict.fromkeys(name for term in self.terms for name, _ in term.sources))

    def __str__(self) -> str:
        first, *rest = self.terms
        said = ("-" if _negative(first) else "") + first.factors
        return (
            f"{self.name} = {self.activation}({said}"
            + "".join(f" {'-' if _negative(term) else '+'} {term.factors}" for term in rest)
            + ")"
        )


@dataclass(frozen=True)
class Network:
    """A valid network: no cycle, no unknown name. ``parse(str(network))`` is equal to it.

    ``inputs`` are in the order of the data's columns; ``neurons`` in the order of the text.
    """

    inputs: tuple[str, ...]
    neurons: tuple[Neuron, ...]

    def __str__(self) -> str:
        return "\n".join([f"inputs: {', '.join(self.inputs)}", *map(str, self.neurons)])

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters, each once, in the order of the text; biases are not among them."""
        named = (term.parameter for neuron in self.neurons for term in neuron.terms)
        return tuple(dict.fromkeys(name for name in named if name is not None))

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """The neurons that no other reads, in the order of the text."""
        read = {name for neuron in self.neurons for name in neuron.sources}
        return tuple(neuron.name for neuron in self.neurons if neuron.name not in read)

    @cached_property
    def layers(self) -> tuple[tuple[Neuron, ...], ...]:
        """The neurons by depth, each one after the deepest that it reads; a layer is in the order of the text."""
        depth: dict[str, int] = dict.fromkeys(self.inputs, -1)
        for neuron in self.ordered:
            depth[neuron.name] = 1 + max((depth[name] for name in neuron.sources), default=-1)
        found: list[list[Neuron]] = [[] for _ in range(1 + max(depth.values()))]
        for neuron in self.neurons:
            found[depth[neuron.name]].append(neuron)
        return tuple(map(tuple, found))

    @cached_property
    def ordered(self) -> tuple[Neuron, ...]:
        """The neurons, each after those that it reads; of several that are ready, the first of the text."""
        place = {neuron.name: i for i, neuron in enumerate(self.neurons)}
        reads = [[place[name] for name in neuron.sources if name in place] for neuron in self.neurons]
        missing = [len(read) for read in reads]
        readers: list[list[int]] = [[] for _ in self.neurons]
        for i, read in enumerate(reads):
            for source in read:
                readers[source].append(i)
        ready = [i for i, count in enumerate(missing) if count == 0]
        found = []
        while ready:
            found.append(self.neurons[first := heapq.heappop(ready)])
            for reader in readers[first]:
                missing[reader] -= 1
                if missing[reader] == 0:
                    heapq.heappush(ready, reader)
        return tuple(found)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What a notebook shows: the text, and the picture once ``fallline.networks`` is imported."""
        return {"text/plain": str(self)} | {kind: show(self) for kind, show in DISPLAYS.items()}


DISPLAYS: dict[str, Callable[[Network], str]] = {}
"""How a notebook shows a network, by MIME type; filled above this module, which draws nothing."""


def _negative(term: Term) -> bool:
    return math.copysign(1, term.coefficient) < 0


def _number(value: float) -> str:
    """The shortest text that reads back as the value."""
    return repr(int(value)) if value == int(value) and value < 1e15 else repr(value)
