"""A batch size written as a formula of the epoch: "30 + 10*epoch", read and computed exactly."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache

from fallline.errors import HyperparameterError, StudyError

MAX_CHARACTERS = 200
MAX_DEPTH = 50
"""Parentheses and minus signs within each other; no batch size needs more than a few."""

_DIGITS = frozenset("0123456789")
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_") | _DIGITS
_KNOWN = "numbers, epoch, + - * / // and parentheses"


@dataclass(frozen=True)
class Formula:
    """What ``text`` says, spaces made even; equal formulas have equal texts.

    ``program`` is the same in postfix order: a number, the word "epoch", an operator or "minus" (the sign) each.
    """

    text: str
    program: tuple[Fraction | str, ...] = field(compare=False, repr=False)

    @property
    def constant(self) -> bool:
        """Whether it never names the epoch."""
        return "epoch" not in self.program

    def size(self, epoch: int) -> int:
        """The value at ``epoch`` rounded down; NumberError where that is below 1 or there is none."""
        size = self.value(epoch).__floor__()
        if size < 1:
            raise HyperparameterError(
                f'batch_size must be at least 1 at every epoch, but "{self.text}" is {shown(size)} at epoch {epoch:,}'
            )
        return size

    def value(self, epoch: int) -> Fraction:
        """The value at ``epoch`` (from 0); NumberError where it divides by zero.

        Fractions are exact: 0.29*epoch is 29 at epoch 100, where binary floating point gives 28.999999999999996.
        """
        stack: list[Fraction] = []
        for one in self.program:
            if isinstance(one, Fraction):
                stack.append(one)
            elif one == "epoch":
                stack.append(Fraction(epoch))
            elif one == "minus":
                stack.append(-stack.pop())
            else:
                right, left = stack.pop(), stack.pop()
                if right == 0 and one in ("/", "//"):
                    raise HyperparameterError(
                        f'batch_size must be at least 1 at every epoch, but "{self.text}" divides by '
                        f"zero at epoch {epoch:,}"
                    )
                stack.append(_OPERATORS[one](left, right))
        return stack.pop()


_OPERATORS = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": lambda left, right: left / right,
    "//": lambda left, right: Fraction(left // right),
}


def parse(text: str, where: str = "") -> Formula:
    """The formula that ``text`` is, or StudyError with a caret under what cannot be read."""
    if len(text) > MAX_CHARACTERS:
        place = f" ({where})" if where else ""
        raise StudyError(
            f"batch_size as a formula must have at most {MAX_CHARACTERS} characters, got {len(text):,}{place}"
        )
    try:
        return _parse(text)
    except _Unreadable as failure:
        raise failure.as_error(text, where) from None


def shown(value: int) -> str:
    """A whole number as it may stand in an error, however long."""
    return f"{value:,}" if abs(value) < 10**15 else f"{float(value):.3g}"


class _Unreadable(Exception):
    """What is wrong and at which character of the text."""

    def __init__(self, reason: str, at: int):
        self.reason, self.at = reason, at

    def as_error(self, text: str, where: str) -> StudyError:
        line = "".join(one if one.isprintable() else "?" for one in text)
        place = f" ({where})" if where else ""
        return StudyError(
            f"batch_size cannot be read as a formula of the epoch{place}: {self.reason}; "
            f'write "30 + 10*epoch", for example\n  {line}\n  {" " * self.at}^'
        )


@lru_cache(maxsize=256)
def _parse(text: str) -> Formula:
    reader = _Reader(_tokens(text), len(text))
    reader.sum(0)
    if reader.next is not None:
        reason = "a ) too many" if reader.next == ")" else f"expected an operator before {reader.next}"
        raise _Unreadable(reason, reader.place)
    return Formula(_even([token for token, _ in reader.tokens]), tuple(reader.program))


def _tokens(text: str) -> list[tuple[str, int]]:
    """Numbers, names, operators and parentheses, each with where it stands."""
    tokens, at = [], 0
    while at < len(text):
        one, end = text[at], at + 1
        if one in _DIGITS or one == ".":
            while end < len(text) and (text[end] in _DIGITS or text[end] == "."):
                end += 1
            if text[at:end].count(".") > 1 or text[at:end] == ".":
                raise _Unreadable(f"{text[at:end]} is not a number", at)
        elif one in _LETTERS:
            while end < len(text) and text[end] in _LETTERS:
                end += 1
            if text[at:end] != "epoch":
                raise _Unreadable(f"no name but epoch is known, got {text[at:end]}", at)
        elif text[at : at + 2] == "//":
            end += 1
        elif text[at : at + 2] == "**":
            raise _Unreadable(f"there are no powers, only {_KNOWN}", at)
        elif one not in "+-*/() ":
            raise _Unreadable(f"only {_KNOWN} are known, got {one!r}", at)
        if one != " ":
            tokens.append((text[at:end], at))
        at = end
    return tokens


class _Reader:
    """Recursive descent: a sum of products of signed numbers, written to ``program`` in postfix order."""

    def __init__(self, tokens: list[tuple[str, int]], length: int):
        self.tokens, self.length, self.position = tokens, length, 0
        self.program: list[Fraction | str] = []

    @property
    def next(self) -> str | None:
        return self.tokens[self.position][0] if self.position < len(self.tokens) else None

    @property
    def place(self) -> int:
        return self.tokens[self.position][1] if self.position < len(self.tokens) else self.length

    def take(self) -> str:
        self.position += 1
        return self.tokens[self.position - 1][0]

    def sum(self, depth: int) -> None:
        self.product(depth)
        while self.next in ("+", "-"):
            operator = self.take()
            self.product(depth)
            self.program.append(operator)

    def product(self, depth: int) -> None:
        self.signed(depth)
        while self.next in ("*", "/", "//"):
            operator = self.take()
            self.signed(depth)
            self.program.append(operator)

    def signed(self, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise _Unreadable(f"more than {MAX_DEPTH} parentheses and signs within each other", self.place)
        if self.next == "-":
            self.take()
            self.signed(depth + 1)
            self.program.append("minus")
        elif self.next == "(":
            self.take()
            self.sum(depth + 1)
            if self.next != ")":
                raise _Unreadable("expected )", self.place)
            self.take()
        else:
            self.value()

    def value(self) -> None:
        if self.next is None:
            raise _Unreadable("it ends where a number is expected", self.place)
        if self.next[0] not in _LETTERS and self.next[0] != ".":
            raise _Unreadable(f"expected a number, epoch or (, got {self.next}", self.place)
        token = self.take()
        if token == "epoch" and self.next == "(":
            raise _Unreadable("epoch is a number, not a function", self.place)
        self.program.append(token if token == "epoch" else Fraction(token))


def _even(tokens: list[str]) -> str:
    """The tokens with a space on each side of a + or - between two values, and nowhere else."""
    text = ""
    for number, token in enumerate(tokens):
        between = number > 0 and (tokens[number - 1] == ")" or tokens[number - 1][0] in _LETTERS | {"."})
        text += f" {token} " if token in ("+", "-") and between else token
    return text
