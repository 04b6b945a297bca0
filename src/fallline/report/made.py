"""In words: the budget that claims were made about, where this run trains on another."""

from __future__ import annotations

from collections.abc import Sequence

from fallline.report import words
from fallline.stats.claims import Verdict
from fallline.stats.made import Budget, Span

DATA = {"full": "the full data", "sample": "the sample"}


def sentences(verdicts: Sequence[Verdict]) -> list[str]:
    """A sentence for each pair of budgets that tested claims have: made about the one, judged here by the other."""
    places: dict[tuple[str, str], list[int]] = {}
    for place, verdict in enumerate(verdicts, start=1):
        if verdict.budgets is not None and verdict.parts:
            made, judged = verdict.budgets
            places.setdefault((_said(made, judged), _said(judged, made)), []).append(place)
    return [f"{_which(own, len(verdicts))} made about {made}; this run judges {'it' if len(own) == 1 else 'them'} by "
            f"{judged}." for (made, judged), own in places.items()]


def _which(places: list[int], claims: int) -> str:
    """The claims at these places."""
    if len(places) == claims:
        return "The claim was" if claims == 1 else f"The {words.count(claims)} claims were"
    listed = words.listed([words.count(place) for place in places], most=len(places))
    return f"Claim {listed} was" if len(places) == 1 else f"Claims {listed} were"


def _said(budget: Budget, other: Budget) -> str:
    """A budget in words; what it shares with the other is said where it would be missed."""
    said = _span(budget.steps, "step")
    if budget.images is not None:
        said += f" on {_span(budget.images, 'training image')}"
    if budget.data != other.data:
        said += f" of {words.listed([DATA.get(name, name) for name in budget.data])}"
    if budget.configurations != other.configurations:
        said += f" in {words.plural(budget.configurations, 'configuration')}"
    return said


def _span(span: Span, word: str) -> str:
    low, high = span
    return words.plural(high, word) if low == high else f"{words.count(low)} to {words.plural(high, word)}"
