"""A network as data: neurons, each an activation of a sum of terms; ordered, layered, and printed as text."""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from fallline.networks.explanation import Explanation

ACTIVATIONS = ("sigmoid", "tanh", "relu", "identity")


@dataclass(frozen=True)
class Term:
    """``coefficient * learnable * source^power * ...``: at most one learnable, any number of sources.

    ``sources`` are names of inputs and neurons with their powers, each name once.
    """

    coefficient: float
    learnable: str | None
    sources: tuple[tuple[str, int], ...]

    @property
    def factors(self) -> str:
        """The term as text, without its sign."""
        size = abs(self.coefficient)
        powers = [name if power == 1 else f"{name}^{power}" for name, power in self.sources]
        named = [*([self.learnable] if self.learnable else []), *powers]
        return "*".join([*([] if size == 1 and named else [_number(size)]), *named])


@dataclass(frozen=True)
class Neuron:
    """``name = activation(sum of terms + bias)``; every neuron has a bias of its own, which the text does not show."""

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
    """A network that was checked: no cycle, no name that means nothing. ``str`` gives a text that reads back as it.

    ``inputs`` are in the order in which data gives them; ``neurons`` in the order of the text.
    """

    inputs: tuple[str, ...]
    neurons: tuple[Neuron, ...]

    def __str__(self) -> str:
        return "\n".join([f"inputs: {', '.join(self.inputs)}", *map(str, self.neurons)])

    @cached_property
    def learnables(self) -> tuple[str, ...]:
        """The names of the learnables, each once, in the order of the text; biases are not among them."""
        named = (term.learnable for neuron in self.neurons for term in neuron.terms)
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
        """The neurons, each after those it reads: next is always the first of the text that waits for no other."""
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

    def explain(
        self,
        example: Any,
        target: Any,
        values: Mapping[str, float],
        loss: str = "squared_error",
        *,
        learning_rate: float | None = None,
    ) -> Explanation:
        """The passes of one example, forward and back, number by number; the arguments are in networks/explain.py."""
        from fallline.networks.explain import explain

        return explain(self, example, target, values, loss, learning_rate=learning_rate)

    def draw(self, values: Mapping[str, float] | None = None, *, dark: bool = False) -> Any:
        """The picture as an altair chart; ``values`` as ``learnt`` gives them show as width and colour."""
        from fallline.networks.drawing import draw

        return draw(self, values, dark=dark)

    def save(self, path: str | Path, values: Mapping[str, float] | None = None) -> None:
        """Write the picture to a file that ends in .svg or .png; ModelError for any other."""
        from fallline.networks.drawing import save

        save(self, path, values)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What a notebook shows: the picture, which needs no network."""
        from fallline.networks.drawing import svg

        return {"image/svg+xml": svg(self), "text/plain": str(self)}


def _negative(term: Term) -> bool:
    return math.copysign(1, term.coefficient) < 0


def _number(value: float) -> str:
    """The shortest text that reads back as the value."""
    return repr(int(value)) if value == int(value) and value < 1e15 else repr(value)
