"""From parsed lines to a network: which names are inputs, neurons and parameters, and whether it is valid."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from fallline.errors import NetworkError
from fallline.networks.language import MAX_CHARACTERS, MAX_POWER, Line, Lines, ProductTerm, Token, line_of, read, wrong
from fallline.networks.network import ACTIVATIONS, Network, Neuron, Term

NEAR_AMONG = 1_000
"""Names among which one that is like an unknown one is looked for."""


def parse(text: str | Sequence[str], activation: str = "sigmoid") -> Network:
    """The network that ``text`` describes, one neuron per line; NetworkError with line, column and a caret.

    A name on a left side is a neuron. Of the other names those that start with x are inputs, unless a line ``inputs:
    ...`` names them; the rest are parameters. ``activation`` is that of neurons without one, unless a line
    ``activation: ...`` names another.

    >>> print(parse("xw = ap*xp + aq*xq"))
    inputs: xp, xq
    xw = sigmoid(ap*xp + aq*xq)
    """
    lines = read(_joined(text))
    if activation not in ACTIVATIONS:
        raise NetworkError(f"activation must be one of {', '.join(ACTIVATIONS)}, got {activation!r}")
    if not lines.neurons:
        wrong(lines.text, 0, "the network is empty; write a line a neuron, as in: xw = ap*xp + aq*xq")
    network = _Meaning(lines, activation).network()
    if len(lines.text) > MAX_CHARACTERS // 10 and len(str(network)) > MAX_CHARACTERS:
        raise NetworkError(
            f"a network printed in full must have at most {MAX_CHARACTERS:,} characters, got "
            f"{len(str(network)):,}; write shorter names, or fewer terms"
        )
    return network


def _joined(text: object) -> str:
    if isinstance(text, str):
        return text
    if isinstance(text, Sequence) and all(isinstance(line, str) for line in text):
        return "\n".join(text)
    raise NetworkError(f"a network is a text, or a list of lines, got {type(text).__name__}")


class _Meaning:
    """The names of a text and their roles."""

    def __init__(self, lines: Lines, activation: str):
        self.lines, self.text = lines, lines.text
        self.default = self._default(activation)
        self.declared = self._declared()
        self.defined = self._defined()

    def network(self) -> Network:
        neurons = tuple(self.neuron(line) for line in self.lines.neurons)
        self.refuse_cycles()
        read = dict.fromkeys(name for neuron in neurons for name in neuron.sources if name not in self.defined)
        for name, token in (self.declared or {}).items():
            if name not in read:
                wrong(self.text, token.at, f"no neuron reads the input {name}; use it, or leave it out here")
        if not read:
            wrong(
                self.text,
                self.lines.neurons[0].name.at,
                "the network has no input: no neuron reads a name that begins with x and stands on no left side; "
                "write a term with one, as ap*xp",
            )
        return Network(tuple(self.declared or read), neurons)

    def neuron(self, line: Line) -> Neuron:
        activation = line.activation.text if line.activation else self.default
        return Neuron(line.name.text, tuple(self.term(product) for product in line.products), activation)

    def term(self, product: ProductTerm) -> Term:
        parameter: Token | None = None
        sources: dict[str, int] = {}
        for token, power in product.factors:
            if not self.is_source(token):
                self.refuse_parameter(token, power, parameter)
                parameter = token
                continue
            sources[token.text] = sources.get(token.text, 0) + power
            if sources[token.text] > MAX_POWER:
                wrong(
                    self.text,
                    token.at,
                    f"the powers of {token.text} in this term add up to {sources[token.text]}; "
                    f"at most {MAX_POWER} make sense",
                )
        return Term(product.constant, parameter.text if parameter else None, tuple(sources.items()))

    def refuse_parameter(self, token: Token, power: int, before: Token | None) -> None:
        """NetworkError unless a term may have this parameter after the one ``before``."""
        name = token.text
        if before is not None:
            wrong(
                self.text,
                token.at,
                f"two parameters in a product: {before.text} and {name}; a term has one at "
                "most. An input's name begins with x, or stands in a line inputs: ...",
            )
        if power > 1:
            wrong(
                self.text,
                token.at,
                f"the parameter {name} has a power; a term has one parameter, once. "
                "An input's name begins with x, or stands in a line inputs: ...",
            )
        if name.startswith("bias_") and name.removeprefix("bias_") in self.defined:
            wrong(
                self.text,
                token.at,
                f"{name} is the bias that {name.removeprefix('bias_')} has unwritten; leave it "
                "out, or give the parameter another name",
            )

    def is_source(self, token: Token) -> bool:
        """Whether a name is an input or a neuron and no parameter."""
        if token.text in self.defined:
            return True
        if self.declared is None:
            return token.text.startswith("x")
        if token.text not in self.declared and token.text.startswith("x"):
            near = difflib.get_close_matches(token.text, [*self.declared, *self.defined][:NEAR_AMONG], n=1)
            remedy = f"did you mean {near[0]}?" if near else "the line inputs: does not name it"
            wrong(self.text, token.at, f"the name {token.text} is unknown: neither an input nor a neuron; {remedy}")
        return token.text in self.declared

    def refuse_cycles(self) -> None:
        """NetworkError with the path of the first cycle; the caret is under the name that closes it."""
        reads = {
            line.name.text: [
                token for product in line.products for token, _ in product.factors if token.text in self.defined
            ]
            for line in self.lines.neurons
        }
        done: set[str] = set()
        for start in reads:
            path, waiting = [start], [iter([] if start in done else reads[start])]
            on_path = {start}
            while waiting:
                token = next(waiting[-1], None)
                if token is None:
                    waiting.pop()
                    done.add(path[-1])
                    on_path.discard(path.pop())
                elif token.text in on_path:
                    self.cycle([*path[path.index(token.text) :], token.text], token)
                elif token.text not in done:
                    path.append(token.text)
                    on_path.add(token.text)
                    waiting.append(iter(reads[token.text]))

    def cycle(self, names: list[str], closing: Token) -> None:
        shown = names if len(names) <= 8 else [*names[:4], "...", *names[-3:]]
        wrong(
            self.text,
            closing.at,
            f"a cycle: {' reads '.join(shown)}; a neuron may only read what does not depend on it",
        )

    def _default(self, activation: str) -> str:
        named = self.lines.headers.get("activation")
        if named is None:
            return activation
        if len(named) > 1:
            wrong(self.text, named[1].at, "one activation stands for all; that of a neuron is written around its sum")
        if named[0].text not in ACTIVATIONS:
            wrong(
                self.text, named[0].at, f"no activation is named {named[0].text}; there are: {', '.join(ACTIVATIONS)}"
            )
        return named[0].text

    def _declared(self) -> dict[str, Token] | None:
        if "inputs" not in self.lines.headers:
            return None
        return self._once(self.lines.headers["inputs"], {})

    def _defined(self) -> dict[str, Token]:
        return self._once([line.name for line in self.lines.neurons], self.declared or {})

    def _once(self, tokens: list[Token], others: dict[str, Token]) -> dict[str, Token]:
        found: dict[str, Token] = {}
        for token in tokens:
            before = found.get(token.text) or others.get(token.text)
            if before is not None:
                first, second = sorted((before.at, token.at))
                wrong(
                    self.text,
                    second,
                    f"{token.text} is defined twice, first in line {line_of(self.text, first)}; "
                    "give one of them another name",
                )
            found[token.text] = token
        return found
