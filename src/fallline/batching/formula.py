"""A batch size written as a formula of the epoch: "30 + 10*epoch", computed exactly."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Any

from fallline.errors import HyperparameterError, StudyError

MAX_CHARACTERS = 200
MAX_DEPTH = 50
"""Parentheses and minus signs within each other; no batch size needs more than a few."""

_KNOWN = "numbers, epoch, + - * / // and parentheses"
_TOKEN = re.compile(r"[0-9.]+|[A-Za-z_][A-Za-z_0-9]*|//|\*\*|.", re.DOTALL)
_DIGITS = tuple("0123456789.")
_BINARY = ("+", "-", "*", "/", "//")

_OPERATORS = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
    ast.Div: lambda left, right: left / right,
    ast.FloorDiv: lambda left, right: Fraction(left // right),
}


@dataclass(frozen=True)
class Formula:
    """The meaning of ``text``, whose spaces are made even; equal formulas have equal texts.

    ``program`` is the same as a tree: a number, the word "epoch", (operator, left, right), or (ast.USub, operand).
    """

    text: str
    program: Any = field(compare=False, repr=False)

    @property
    def constant(self) -> bool:
        """Whether it never names the epoch."""
        return "epoch" not in self.text

    def size(self, epoch: int) -> int:
        """The value at ``epoch`` rounded down; HyperparameterError where that is below 1 or there is none."""
        size = self.value(epoch).__floor__()
        if size < 1:
            raise HyperparameterError(
                f'batch_size must be at least 1 at every epoch, but "{self.text}" is {shown(size)} at epoch {epoch:,}'
            )
        return size

    def value(self, epoch: int) -> Fraction:
        """The value at ``epoch`` (from 0); HyperparameterError where it divides by zero.

        Fractions are exact: 0.29*epoch is 29 at epoch 100, where binary floating point gives 28.999999999999996.
        """
        try:
            return _value(self.program, Fraction(epoch))
        except ZeroDivisionError:
            raise HyperparameterError(
                f'batch_size must be at least 1 at every epoch, but "{self.text}" divides by zero at epoch {epoch:,}'
            ) from None


def parse(text: str, where: str = "") -> Formula:
    """The formula that ``text`` is, or StudyError with a caret under the place that is wrong."""
    if len(text) > MAX_CHARACTERS:
        place = f" ({where})" if where else ""
        raise StudyError(
            f"batch_size as a formula must have at most {MAX_CHARACTERS} characters, got {len(text):,}{place}"
        )
    try:
        return _parse(text)
    except _SyntaxError as failure:
        raise failure.as_error(text, where) from None


def shown(value: int) -> str:
    """A whole number in an error, however long."""
    return f"{value:,}" if abs(value) < 10**15 else f"{float(value):.3g}"


class _SyntaxError(Exception):
    """What is wrong and at which character of the text."""

    def __init__(self, reason: str, at: int):
        self.reason, self.at = reason, at

    def as_error(self, text: str, where: str) -> StudyError:
        line = "".join(character if character.isprintable() else "?" for character in text)
        place = f" ({where})" if where else ""
        return StudyError(
            f"batch_size cannot be read as a formula of the epoch{place}: {self.reason}; "
            f'write "30 + 10*epoch", for example\n  {line}\n  {" " * self.at}^'
        )


@lru_cache(maxsize=256)
def _parse(text: str) -> Formula:
    tokens = _tokens(text)
    _check_order(tokens, len(text))
    words = [word for word, _ in tokens]
    # Python's own parser knows which operator binds tighter. Numbers stand as names there, so that they stay exact.
    numbers = {f"number_{place}": Fraction(word) for place, word in enumerate(words) if word[0] in _DIGITS}
    names = [f"number_{place}" if f"number_{place}" in numbers else word for place, word in enumerate(words)]
    return Formula(_even(words), _program(ast.parse(" ".join(names), mode="eval").body, numbers))


def _tokens(text: str) -> list[tuple[str, int]]:
    """Numbers, names, operators and parentheses, each with its place in the text."""
    tokens = []
    for match in _TOKEN.finditer(text):
        word, at = match[0], match.start()
        if word[0] in _DIGITS:
            if word.count(".") > 1 or word == ".":
                raise _SyntaxError(f"{word} is not a number", at)
        elif word[0].isascii() and (word[0].isalpha() or word[0] == "_"):
            if word != "epoch":
                raise _SyntaxError(f"no name but epoch is known, got {word}", at)
        elif word == "**":
            raise _SyntaxError(f"there are no powers, only {_KNOWN}", at)
        elif word not in (*_BINARY, "(", ")", " "):
            raise _SyntaxError(f"only {_KNOWN} are known, got {word!r}", at)
        if word != " ":
            tokens.append((word, at))
    return tokens


def _check_order(tokens: list[tuple[str, int]], length: int) -> None:
    """_SyntaxError where a number, an operator or a parenthesis is missing or out of place, or nested too deep."""
    depth, opened = 0, []  # parentheses and signs around this place; those around each open parenthesis
    signs, before = 0, "("  # signs before the number that is expected
    for word, at in (*tokens, ("", length)):
        if before in ("(", *_BINARY):
            if depth > MAX_DEPTH:
                raise _SyntaxError(f"more than {MAX_DEPTH} parentheses and signs within each other", at)
            if word == "(":
                opened.append(depth - signs)
                depth, signs = depth + 1, 0
            elif word == "-":
                depth, signs = depth + 1, signs + 1
            elif word == "epoch" or word[:1] in _DIGITS:
                depth, signs = depth - signs, 0
            else:
                reason = f"expected a number, epoch or (, got {word}" if word else "it ends where a number is expected"
                raise _SyntaxError(reason, at)
        elif word == ")" and opened:
            depth = opened.pop()
        elif word not in _BINARY and (word or opened):
            if word == "(" and before == "epoch":
                raise _SyntaxError("epoch is a number, not a function", at)
            if opened:
                raise _SyntaxError("expected )", at)
            raise _SyntaxError("a ) too many" if word == ")" else f"expected an operator before {word}", at)
        before = word


def _program(node: ast.expr, numbers: dict[str, Fraction]) -> Any:
    """The tree of a formula, of the few kinds of nodes that it may have."""
    match node:
        case ast.BinOp(left, operator, right) if type(operator) in _OPERATORS:
            return type(operator), _program(left, numbers), _program(right, numbers)
        case ast.UnaryOp(ast.USub(), operand):
            return ast.USub, _program(operand, numbers)
        case ast.Name(name) if name in numbers:
            return numbers[name]
        case ast.Name("epoch"):
            return "epoch"
    raise AssertionError(f"{ast.dump(node)} is no part of a formula")


def _value(program: Any, epoch: Fraction) -> Fraction:
    if isinstance(program, Fraction):
        return program
    if program == "epoch":
        return epoch
    operator, *operands = program
    values = [_value(operand, epoch) for operand in operands]
    return -values[0] if operator is ast.USub else _OPERATORS[operator](*values)


def _even(words: list[str]) -> str:
    """The tokens with a space on each side of a + or - between two values, and nowhere else."""
    text, before = "", "("
    for word in words:
        between = before not in ("(", *_BINARY)
        text += f" {word} " if word in ("+", "-") and between else word
        before = word
    return text
