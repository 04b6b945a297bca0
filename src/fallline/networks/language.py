"""The language of networks: one neuron per line, parsed into products; meaning.py then resolves the names.

    network  = { [ header | neuron ] end-of-line }
    header   = ("inputs" | "activation") ":" name { "," name }
    neuron   = name "=" ( sum | activation "(" sum ")" )
    sum      = [ sign ] product { sign product }
    product  = factor { "*" factor }
    factor   = number | name [ ("^" | "**") whole number ]

A ``#`` starts a comment; ``;`` ends a line as a newline does; within brackets a newline is a space.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn

from fallline.errors import NetworkError
from fallline.networks.network import ACTIVATIONS

MAX_CHARACTERS = 5_000_000
MAX_NEURONS, MAX_TERMS = 10_000, 200_000
MAX_NAME = 60
MAX_POWER = 16
"""A higher power than any that trains."""

SMALLEST, LARGEST = 1.2e-38, 3.4e38
"""A network trains in floats of 32 bits; they hold no other sizes, but 0."""

SHOWN = 100
"""Characters of a line that an error shows."""

HEADERS = ("inputs", "activation")

_TOKENS = re.compile(
    r"""
    [ \t\r]* (?: (?P<name>[A-Za-z_][A-Za-z0-9_]*) | (?P<sign>\*\*|[-+*^=():,])
    | (?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?) | (?P<end>;|\n[ \t\r\n]*|\Z) | (?P<comment>\#[^\n]*))
""",
    re.VERBOSE,
)

_INNER_SUM = "brackets stand only around a whole sum, after its activation; give the sum inside a neuron of its own"
_NO_POWER = "only a name takes a power, and only one; write the value out"
_MISPLACED = {
    "(": _INNER_SUM,
    "^": _NO_POWER,
    "**": _NO_POWER,
    ")": "this ) closes no bracket; leave it out",
    "=": "a line has one =; begin a new line before the name",
    ",": "a comma stands only between the names of a header; write ; or begin a new line",
    ":": "a colon stands only after inputs or activation, on a line of their own; leave it out",
    **dict.fromkeys("+-*", "nothing follows the bracket of an activation; give it a neuron of its own"),
}
"""What to say of a sign that cannot go on a neuron's line."""


class Token(NamedTuple):
    """A piece of the text: its kind (name, number, sign or end), its text, and its position."""

    kind: str
    text: str
    at: int


@dataclass(frozen=True)
class ProductTerm:
    """The constant of a product with its sign, and its other factors: the token of a name, and its power."""

    constant: float
    factors: tuple[tuple[Token, int], ...]


@dataclass(frozen=True)
class Line:
    """A neuron as written: its name, its activation if the line names one, and its products."""

    name: Token
    activation: Token | None
    products: tuple[ProductTerm, ...]


@dataclass
class Lines:
    """What a text holds."""

    text: str
    headers: dict[str, list[Token]] = field(default_factory=dict)
    neurons: list[Line] = field(default_factory=list)


def wrong(text: str, at: int, message: str) -> NoReturn:
    """Raise NetworkError with the line, the column and a caret under it."""
    start = text.rfind("\n", 0, at) + 1
    stop = text.find("\n", at)
    line = text[start : stop if stop >= 0 else len(text)].replace("\t", " ").replace("\r", " ")
    column = at - start
    first = max(0, column - SHOWN // 2) if len(line) > SHOWN else 0
    cut = "".join(sign if sign.isprintable() else "?" for sign in line[first : first + SHOWN])
    caret = " " * (column - first) + "^"
    raise NetworkError(f"network, line {line_of(text, at)}, column {column + 1}: {message}\n    {cut}\n    {caret}")


def line_of(text: str, at: int) -> int:
    """The line of the character ``at``, from 1."""
    return text.count("\n", 0, at) + 1


def read(text: str) -> Lines:
    """The lines of ``text``, or NetworkError with the place of the first thing that cannot be read."""
    if len(text) > MAX_CHARACTERS:
        raise NetworkError(f"a network must have at most {MAX_CHARACTERS:,} characters, got {len(text):,}")
    return _Reader(text).lines()


class _Reader:
    """A recursive-descent parser over the tokens; ``next`` is the current token, and there is no further look-ahead."""

    def __init__(self, text: str):
        self.text, self.coming, self.terms = text, _tokens(text), 0
        self.next = next(self.coming)
        self.later: Token | None = None

    def take(self) -> Token:
        token = self.next
        self.next, self.later = self.later or next(self.coming, token), None
        return token

    def ahead(self) -> str:
        """The text of the token after the current one."""
        if self.later is None:
            self.later = next(self.coming, self.next)
        return self.later.text

    def accept(self, *texts: str) -> bool:
        """Take the next token if it is one of these signs."""
        found = self.next.kind == "sign" and self.next.text in texts
        if found:
            self.take()
        return found

    def fail(self, message: str) -> NoReturn:
        wrong(self.text, self.next.at, message)

    def lines(self) -> Lines:
        found = Lines(self.text)
        while self.next.text:
            if self.next.kind == "end":
                self.take()
            elif self.next.kind == "name" and self.ahead() == ":":
                self.header(found)
            elif len(found.neurons) == MAX_NEURONS:
                self.fail(f"a network must have at most {MAX_NEURONS:,} neurons, and this is one more")
            else:
                found.neurons.append(self.neuron())
        return found

    def header(self, found: Lines) -> None:
        word = self.next
        if word.text not in HEADERS:
            self.fail(f"no header is named {word.text[:MAX_NAME]}; there are: {', '.join(HEADERS)}")
        if word.text in found.headers:
            self.fail(f"the header {word.text} stands twice; leave one")
        self.take()
        self.take()
        names = [self.name(f"a name after {word.text}:")]
        while self.accept(","):
            names.append(self.name("a name after the comma"))
        if self.next.kind != "end":
            self.fail(f"{_said(self.next)} does not continue the header; write a comma between names, nothing else")
        found.headers[word.text] = names

    def neuron(self) -> Line:
        name = self.name("the name of a neuron, as in: xw = ap*xp + aq*xq")
        if not self.accept("="):
            self.fail(f"expected = after {name.text}, found {_said(self.next)}")
        line = (
            self.activated(name) if self.next.kind == "name" and self.ahead() == "(" else Line(name, None, self.sum())
        )
        if self.next.kind != "end":
            self.fail(
                _MISPLACED.get(self.next.text)
                or f"{_said(self.next)} does not continue the line; write + - or * before it, or begin a new line"
            )
        return line

    def activated(self, name: Token) -> Line:
        """A neuron whose sum is in the brackets of its activation."""
        activation = self.next
        if activation.text not in ACTIVATIONS:
            self.fail(f"no activation is named {activation.text[:MAX_NAME]}; there are: {', '.join(ACTIVATIONS)}")
        self.take()
        opened = self.take()
        products = self.sum()
        if not self.accept(")"):
            stray = _MISPLACED.get(self.next.text) if self.next.text in ("(", "^", "**") else None
            self.fail(
                stray
                or f"expected + - * or ) here, found {_said(self.next)}; the ( of line "
                f"{line_of(self.text, opened.at)} is still open"
            )
        return Line(name, activation, products)

    def sum(self) -> tuple[ProductTerm, ...]:
        products: list[ProductTerm] = []
        while True:
            minus = self.next.text == "-"
            if not self.accept("+", "-") and products:
                return tuple(products)
            self.terms += 1
            if self.terms > MAX_TERMS:
                self.fail(f"a network must have at most {MAX_TERMS:,} terms, and this is one more")
            products.append(self.product(-1.0 if minus else 1.0))

    def product(self, sign: float) -> ProductTerm:
        constant, factors = sign, []
        while True:
            if self.next.kind == "number":
                constant = self.times(constant)
            elif self.next.text == "(":
                self.fail(_INNER_SUM)
            else:
                factors.append((self.name("a name or a number"), self.power()))
            if not self.accept("*"):
                return ProductTerm(constant, tuple(factors))

    def times(self, constant: float) -> float:
        """The constant times the number that comes, which is not 0 unless one of the two was written so."""
        number = self.next.text
        product = constant * float(number)
        zero = constant == 0 or not number.lower().partition("e")[0].strip("0.")
        if not (product == 0 if zero else SMALLEST <= abs(product) <= LARGEST):
            self.fail(
                f"the number of a term must be 0 or of a size from {SMALLEST} to {LARGEST}, and this makes it "
                f"{product:.3g}; numbers have 32 bits"
            )
        self.take()
        return product

    def power(self) -> int:
        if not self.accept("^", "**"):
            return 1
        token = self.next
        if (
            token.kind != "number"
            or not token.text.isdigit()
            or len(token.text) > 3
            or (not 1 <= int(token.text) <= MAX_POWER)
        ):
            self.fail(f"a power must be a whole number from 1 to {MAX_POWER}, found {_said(token)}")
        return int(self.take().text)

    def name(self, expected: str) -> Token:
        if self.next.kind != "name":
            self.fail(f"expected {expected}, found {_said(self.next)}")
        if len(self.next.text) > MAX_NAME:
            self.fail(f"a name must have at most {MAX_NAME} characters, got {len(self.next.text)}")
        return self.take()


def _tokens(text: str) -> Iterator[Token]:
    """The tokens one by one, and an empty end after them."""
    at, depth, match_at = 0, 0, _TOKENS.match
    while True:
        match = match_at(text, at)
        if match is None:
            at = len(text) - len(text[at:].lstrip(" \t\r"))
            wrong(
                text,
                at,
                f"{_sign(text[at])} is no part of a network; names are of the letters a to z, digits and "
                "_, signs are + - * ^ = ( ) : , ; #",
            )
        kind = str(match.lastgroup)
        said, at = match[kind], match.end()
        if kind == "sign":
            depth += {"(": 1, ")": -1}.get(said, 0)
        if kind == "end" and not said:
            break
        if kind != "comment" and not (said[0] == "\n" and depth > 0):
            yield Token(kind, said, match.start(kind))
    yield Token("end", "", len(text))


def _said(token: Token) -> str:
    if token.kind == "end":
        return "the end of the line" if token.text else "the end of the text"
    return token.text[:MAX_NAME]


def _sign(character: str) -> str:
    return repr(character) if character.isprintable() else f"character {ord(character):#x}"
