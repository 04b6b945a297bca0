"""Sentences about the budget that claims were made for, where this run has another."""

from __future__ import annotations

from collections.abc import Sequence

from fallline.report import formatting
from fallline.stats.claim_budget import ClaimBudget, Span
from fallline.stats.claims import Verdict

DATA = {"full": "the full data", "sample": "the sample"}


def budget_sentence(verdicts: Sequence[Verdict]) -> str:
    """The budget that the tested claims were made for, and the budget that they are judged on here, over all whose
    two budgets differ; "" where there are none. ``own_budget`` has each claim's own.
    """
    places = [place for place, verdict in enumerate(verdicts, start=1) if own_budget(verdict)]
    pairs = [verdicts[place - 1].budgets for place in places]
    if not places:
        return ""
    made, judged = (_together([pair[side] for pair in pairs if pair is not None]) for side in (0, 1))
    them, fewer = "it" if len(places) == 1 else "them", ""
    if len({own_budget(verdicts[place - 1]) for place in places}) > 1:
        some = any(pair is not None and pair[1].configurations < pair[0].configurations for pair in pairs)
        made, judged = made._replace(configurations=0), judged._replace(configurations=0)
        fewer = ", some of them in fewer configurations" if some else ""
    return (
        f"{_which(places, len(verdicts))} made for {_said(made, judged)}; this run judges {them} on "
        f"{_said(judged, made)}{fewer}."
    )


def own_budget(verdict: Verdict) -> str:
    """The two budgets of one claim; "" where they are the same or nothing was tested."""
    if verdict.budgets is None or not verdict.parts:
        return ""
    made, judged = verdict.budgets
    return f"made for {_said(made, judged)}; judged on {_said(judged, made)}"


def _together(budgets: Sequence[ClaimBudget]) -> ClaimBudget:
    """From the minimum to the maximum over all; the configurations of the first."""
    images = [budget.images for budget in budgets]
    return ClaimBudget(
        budgets[0].configurations,
        _reach([budget.steps for budget in budgets]),
        None if None in images else _reach([image for image in images if image is not None]),
        tuple(sorted({name for budget in budgets for name in budget.data})),
    )


def _reach(spans: Sequence[Span]) -> Span:
    return min(low for low, _ in spans), max(high for _, high in spans)


def _which(places: list[int], claims: int) -> str:
    """The claims by their numbers."""
    if len(places) == claims:
        return "The claim was" if claims == 1 else f"The {formatting.count(claims)} claims were"
    listed = formatting.listed([formatting.count(place) for place in places], most=len(places))
    return f"Claim {listed} was" if len(places) == 1 else f"Claims {listed} were"


def _said(budget: ClaimBudget, other: ClaimBudget) -> str:
    """A budget in words."""
    said = _span(budget.steps, "step")
    if budget.images is not None:
        said += f" on {_span(budget.images, 'training example')}"
    if budget.data != other.data:
        said += f" of {formatting.listed([DATA.get(name, name) for name in budget.data])}"
    if budget.configurations != other.configurations:
        said += f" in {formatting.plural(budget.configurations, 'configuration')}"
    return said


def _span(span: Span, word: str) -> str:
    low, high = span
    return (
        formatting.plural(high, word) if low == high else f"{formatting.count(low)} to {formatting.plural(high, word)}"
    )
