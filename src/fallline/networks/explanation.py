"""The result of explain() as data, and as tables that can be followed by hand."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from fallline.networks.network import Network

if TYPE_CHECKING:
    import polars as pl

WIDTH = 96
"""Characters of a formula, from which it continues in the next line."""


@dataclass(frozen=True)
class PathProduct:
    """A product in names, in numbers and its value: ``ap*xp``, ``0.5*2``, 1.0."""

    names: str
    numbers: str
    value: float


@dataclass(frozen=True)
class NeuronRow:
    """A neuron in the forward pass: its terms, its bias, their sum, and its value, the activation of the sum."""

    name: str
    activation: str
    terms: tuple[PathProduct, ...]
    bias: float
    sum: float
    value: float


@dataclass(frozen=True)
class BackwardRow:
    """A neuron in the backward pass.

    ``paths`` are the paths from its value to the loss, for an output one of them the loss itself; their sum is
    ``value_gradient``, dL/d(value). ``derivative`` is the derivative of its activation at its sum,
    ``derivative_formula`` its formula; ``sum_gradient``, dL/d(sum), is the product of the two.
    """

    name: str
    paths: tuple[PathProduct, ...]
    value_gradient: float
    derivative_formula: str
    derivative: float
    sum_gradient: float


@dataclass(frozen=True)
class GradientRow:
    """A parameter or a bias: the sum of ``paths``, one for each of its terms, is its ``gradient``, dL/d(it).

    ``after`` is its value after a step of gradient descent, None where no learning rate was given.
    """

    name: str
    value: float
    paths: tuple[PathProduct, ...]
    gradient: float
    after: float | None


@dataclass(frozen=True)
class ExplanationTable:
    """Rows of texts under headings; the columns in ``right`` are numbers."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: tuple[int, ...] = ()


@dataclass(frozen=True)
class Explanation:
    """The forward and backward pass of one example: ``str`` prints it, ``gradients`` holds the result.

    ``inputs`` and ``targets`` are by name; ``neurons`` go from the inputs to the outputs, ``backward`` from the outputs
    to the inputs, ``parameters`` are in the network's order, then the biases; ``loss`` is the sum over outputs of
    (output - target)^2.
    """

    network: Network
    inputs: dict[str, float]
    targets: dict[str, float]
    neurons: tuple[NeuronRow, ...]
    loss: float
    backward: tuple[BackwardRow, ...]
    parameters: tuple[GradientRow, ...]
    learning_rate: float | None = None

    @cached_property
    def outputs(self) -> dict[str, float]:
        """The value of each output by name."""
        found = {row.name: row.value for row in self.neurons}
        return {name: found[name] for name in self.network.outputs}

    @cached_property
    def gradients(self) -> dict[str, float]:
        """dL/d(each parameter), and dL/d(``bias_NEURON``) of each neuron."""
        return {row.name: row.gradient for row in self.parameters}

    @cached_property
    def after(self) -> dict[str, float]:
        """All values after the step of gradient descent; empty where no learning rate was given."""
        return {row.name: row.after for row in self.parameters if row.after is not None}

    @property
    def tables(self) -> tuple[ExplanationTable, ExplanationTable, ExplanationTable]:
        """The forward pass, the backward pass and the gradients."""
        return self._forward(), self._backward(), self._gradients()

    def __str__(self) -> str:
        return "\n\n".join(map(_as_text, self.tables))

    def _repr_html_(self) -> str:
        return "\n".join(map(_as_html, self.tables))

    def frame(self) -> pl.DataFrame:
        """One row per quantity: its pass, name, kind, formula, and value.

        ``what`` is input, term, bias, sum or value (forward), path, value_gradient, derivative or sum_gradient
        (backward), path, gradient or after (gradients), and loss.
        """
        import polars as pl

        columns = ("pass", "name", "what", "formula", "numbers", "value")
        return pl.DataFrame(
            list(self._quantities()), orient="row", schema={**dict.fromkeys(columns, pl.String), "value": pl.Float64}
        )

    def _quantities(self) -> Iterable[tuple[Any, ...]]:
        for name, value in self.inputs.items():
            yield "forward", name, "input", None, None, value
        for row in self.neurons:
            yield from (("forward", row.name, "term", term.names, term.numbers, term.value) for term in row.terms)
            yield "forward", row.name, "bias", f"bias_{row.name}", None, row.bias
            yield "forward", row.name, "sum", *_sum_of(row), row.sum
            yield "forward", row.name, "value", row.activation, f"{row.activation}({number(row.sum)})", row.value
        yield "forward", "loss", "loss", *self._loss(), self.loss
        for back in self.backward:
            yield from (("backward", back.name, "path", path.names, path.numbers, path.value) for path in back.paths)
            yield "backward", back.name, "value_gradient", None, None, back.value_gradient
            yield "backward", back.name, "derivative", None, back.derivative_formula, back.derivative
            yield "backward", back.name, "sum_gradient", f"d[{back.name}]", None, back.sum_gradient
        for parameter in self.parameters:
            yield from (
                ("gradients", parameter.name, "path", path.names, path.numbers, path.value) for path in parameter.paths
            )
            yield "gradients", parameter.name, "gradient", None, None, parameter.gradient
            if parameter.after is not None:
                yield "gradients", parameter.name, "after", None, None, parameter.after

    def _forward(self) -> ExplanationTable:
        inputs = ", ".join(f"{name} = {number(value)}" for name, value in self.inputs.items())
        rows = list(_wrapped("inputs", inputs))
        for row in self.neurons:
            names, numbers = _sum_of(row)
            added = _added([*(number(term.value) for term in row.terms), number(row.bias)])
            once = "" if added == number(row.sum) else f"= {row.activation}({added}) "
            rows += _wrapped(
                row.name,
                f"= {row.activation}({names})",
                f"= {row.activation}({numbers})",
                f"{once}= {row.activation}({number(row.sum)}) = {number(row.value)}",
            )
        names, numbers = self._loss()
        rows += _wrapped("loss", f"= {names}", f"= {numbers} = {number(self.loss)}")
        return ExplanationTable("Forward, from the inputs to the loss", ("", "in names, then in numbers"), tuple(rows))

    def _loss(self) -> tuple[str, str]:
        """The loss in names and in numbers."""
        return (
            " + ".join(f"({name} - {target_name(name, self.targets)})^2" for name in self.targets),
            " + ".join(f"({number(self.outputs[name])} - {factor(target)})^2" for name, target in self.targets.items()),
        )

    def _backward(self) -> ExplanationTable:
        rows: list[tuple[str, ...]] = []
        for row in self.backward:
            rows += _with_paths(
                row.name, row.paths, (number(row.value_gradient), row.derivative_formula, number(row.sum_gradient))
            )
        return ExplanationTable(
            "Backward, from the loss to the inputs; d[n] is the gradient of the loss at the sum of neuron n",
            ("neuron", "where it comes from", "dL/dvalue", "* derivative of the activation", "= d[neuron]"),
            tuple(rows),
            right=(2, 4),
        )

    def _gradients(self) -> ExplanationTable:
        stepped = self.learning_rate is not None
        rows: list[tuple[str, ...]] = []
        for row in self.parameters:
            after = (number(row.after),) if row.after is not None else ()
            rows += _with_paths(row.name, row.paths, (number(row.gradient), number(row.value), *after))
        headings = ("name", "where it comes from", "gradient", "value")
        title = "Gradients of the parameters and biases"
        if stepped:
            title += f"; after a step: value - {number(self.learning_rate or 0.0)} * gradient"
        return ExplanationTable(
            title, (*headings, "after a step") if stepped else headings, tuple(rows), right=(2, 3, 4)
        )


def number(value: float) -> str:
    """Five significant digits; zero has no sign."""
    return f"{value + 0.0:.5g}"


def factor(value: float) -> str:
    """A number as a factor: in brackets where it has a sign."""
    text = number(value)
    return f"({text})" if "-" in text or "+" in text else text


def target_name(output: str, outputs: Iterable[str]) -> str:
    """The name of an output's target; that of a single output is target."""
    return "target" if len(list(outputs)) == 1 else f"target[{output}]"


def _sum_of(row: NeuronRow) -> tuple[str, str]:
    """The sum of a neuron in names and in numbers."""
    return (
        _added([*(term.names for term in row.terms), f"bias_{row.name}"]),
        _added([*(term.numbers for term in row.terms), number(row.bias)]),
    )


def _added(texts: list[str]) -> str:
    """Texts as a sum; one that starts with a minus is subtracted."""
    return texts[0] + "".join(f" - {text[1:]}" if text.startswith("-") else f" + {text}" for text in texts[1:])


def _with_paths(name: str, paths: tuple[PathProduct, ...], results: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
    """One row per path, the results in the last; the value of each path is shown where there are several."""
    for place, path in enumerate(paths):
        formula = f"{path.names} = {path.numbers}" + (f" = {number(path.value)}" if len(paths) > 1 else "")
        last = place == len(paths) - 1
        yield (
            name if place == 0 else "",
            ("+ " if place else "") + formula,
            *(results if last else [""] * len(results)),
        )


def _wrapped(name: str, *formulas: str) -> Iterable[tuple[str, str]]:
    """One row per line of the formulas; long ones continue, indented, in the next row."""
    lines = [
        line
        for formula in formulas
        for line in textwrap.wrap(
            formula, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
        )
    ]
    return [(name if place == 0 else "", line) for place, line in enumerate(lines)]


def _as_text(table: ExplanationTable) -> str:
    cells = (table.headings, *table.rows)
    widths = [max(len(row[column]) for row in cells) for column in range(len(table.headings))]
    lines = [
        "  ".join(
            text.rjust(width) if column in table.right else text.ljust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    return "\n".join([table.title, *lines])


def _as_html(table: ExplanationTable) -> str:
    def row(cells: tuple[str, ...], tag: str) -> str:
        return (
            "<tr>"
            + "".join(
                f'<{tag} style="text-align: {"right" if place in table.right else "left"}">{html.escape(cell)}</{tag}>'
                for place, cell in enumerate(cells)
            )
            + "</tr>"
        )

    body = "".join(row(cells, "td") for cells in table.rows)
    return (
        f"<table><caption>{html.escape(table.title)}</caption><thead>{row(table.headings, 'th')}</thead>"
        f"<tbody>{body}</tbody></table>"
    )
