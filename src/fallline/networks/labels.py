"""The texts in the picture of a network: the edges with their terms, in names and in values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fallline.errors import ModelError, UnknownName
from fallline.networks.network import Network, Neuron, Term

Values = Mapping[str, float]
MISSING = "–"
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_NARROW, _WIDE = "iljtfrI.,:;'|!()[] ·⁰¹²³⁴⁵⁶⁷⁸⁹", "mwMWGOQ—…%@"


@dataclass(frozen=True)
class Edge:
    """All that ``target`` reads of ``source``: the terms that contain it, in the order of the text."""

    source: str
    target: str
    terms: tuple[Term, ...]


def edges(network: Network) -> tuple[Edge, ...]:
    """One edge per pair of a source and a neuron that reads it; a term of two sources is on the edges of both."""
    found = []
    for neuron in network.neurons:
        read: dict[str, list[Term]] = {}
        for term in neuron.terms:
            for source, _ in term.sources:
                read.setdefault(source, []).append(term)
        found += [Edge(source, neuron.name, tuple(terms)) for source, terms in read.items()]
    return tuple(found)


def checked(network: Network, values: Values | None) -> dict[str, float] | None:
    """The values of all parameters and biases; ModelError for one that is missing, UnknownName for one too many."""
    if values is None:
        return None
    needed = [*network.parameters, *(f"bias_{neuron.name}" for neuron in network.neurons)]
    known = set(needed)
    for name in values:
        if name not in known:
            raise UnknownName("parameter or bias", name, needed, "values")
    missing = [name for name in needed if name not in values]
    if missing:
        raise ModelError(
            "values must hold a number for each parameter and each bias of the network; missing: "
            f"{', '.join(missing[:5])}{' ...' if len(missing) > 5 else ''}"
        )
    return {name: float(values[name]) for name in needed}


def in_names(edge: Edge) -> str:
    """The terms of an edge: ``ap``, ``2·ap·xp²``, ``ap + aq·xp·xq``; a source by itself is left out."""
    return _sum(
        (term.coefficient, [_own(term), term.parameter or "", *_raised(term, edge.source)]) for term in edge.terms
    )


def in_values(edge: Edge, values: Values) -> str:
    """The same with the parameters' values: ``0.312``, ``0.624·xp²``."""
    said = []
    for term in edge.terms:
        factor = _factor(term, values)
        size = number(abs(factor)) if term.parameter else _own(term)
        said.append((factor, [size, *_raised(term, edge.source)]))
    return _sum(said)


def weight(edge: Edge, values: Values) -> float:
    """The factor of the source on this edge: terms of the same sources add up; of several sums the largest counts."""
    sums: dict[tuple[tuple[str, int], ...], float] = {}
    for term in edge.terms:
        sums[term.sources] = sums.get(term.sources, 0.0) + _factor(term, values)
    return max(sums.values(), key=lambda value: abs(value) if math.isfinite(value) else math.inf)


def note(neuron: Neuron, values: Values | None) -> str:
    """The terms without a source and the bias: ``aq, 2, bias`` or ``aq 0.300, 2, bias −0.210``."""
    alone = [term for term in neuron.terms if not term.sources]
    said = [_sum([(term.coefficient, [_own(term), term.parameter or ""])]) for term in alone]
    if values is not None:
        said = [
            f"{text} {number(_factor(term, values))}" if term.parameter else text
            for term, text in zip(alone, said, strict=True)
        ]
    bias = "bias" if values is None else f"bias {number(values[f'bias_{neuron.name}'])}"
    return ", ".join([*said, bias])


def number(value: float) -> str:
    """Three significant digits: ``0.300``, ``−1.24``, ``12,400``, ``1.20e−5``."""
    if not math.isfinite(value):
        return MISSING
    if value == 0:
        return "0"
    size = abs(value)
    if 1e-3 <= size < 999.5:
        text = f"{size:#.3g}".rstrip(".")
    elif 999.5 <= size < 1e6:
        text = f"{float(f'{size:.3g}'):,.0f}"
    else:
        mantissa, _, power = f"{size:.2e}".partition("e")
        text = f"{mantissa}e{int(power)}"
    return ("−" if value < 0 else "") + text.replace("e-", "e−")


def width(text: str, size: float) -> float:
    """An estimate of the pixels that a text takes in a sans-serif of this size; rather too many than too few."""
    return size * sum(
        0.34 if sign in _NARROW else 0.95 if sign in _WIDE else 0.73 if sign.isupper() else 0.6 for sign in text
    )


def fitted(text: str, size: float, room: float) -> str:
    """The text, cut with an ellipsis where it takes more than ``room`` pixels."""
    if width(text, size) <= room:
        return text
    while text and width(text + "…", size) > room:
        text = text[:-1]
    return text + "…"


def _factor(term: Term, values: Values) -> float:
    return term.coefficient * (values[term.parameter] if term.parameter else 1.0)


def _own(term: Term) -> str:
    """The size of the coefficient, if it is not 1."""
    return "" if abs(term.coefficient) == 1 else f"{abs(term.coefficient):.6g}".replace("e-", "e−")


def _raised(term: Term, source: str) -> list[str]:
    """The sources with their powers; ``source`` itself is left out, since the edge shows it."""
    sources = () if term.sources == ((source, 1),) else term.sources
    return [name + ("" if power == 1 else str(power).translate(_RAISED)) for name, power in sources]


def _sum(terms: Iterable[tuple[float, list[str]]]) -> str:
    """Products as a sum; each with the sign of its factor and the texts of its factors."""
    said = ""
    for factor, parts in terms:
        text = "·".join(part for part in parts if part) or "1"
        negative = math.copysign(1, factor) < 0
        said += (" − " if negative else " + ") + text if said else ("−" if negative else "") + text
    return said
