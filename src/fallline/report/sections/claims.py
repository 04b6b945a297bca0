"""Claims and their verdicts: the blocks of the report, the lines of the terminal, the frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from fallline.report import formatting
from fallline.report.document import Block, Column, Folded, Paragraph, Table
from fallline.report.sentences.bounds import beside, bound_in_words
from fallline.report.sentences.claim_budget import budget_sentence, own_budget
from fallline.report.sentences.comparison_words import p_text
from fallline.report.sentences.interim_analyses import confidence
from fallline.stats import label
from fallline.stats.claims import REFUTED, SUPPORTED, UNDECIDED, UNTESTED, ClaimPart, Verdict, claims
from fallline.stats.power import MOST_SEEDS, NO_FORECAST
from fallline.store import Run
from fallline.store.claims import noted_claims

SIGNS = {SUPPORTED: "✓", REFUTED: "✗", UNDECIDED: "?", UNTESTED: formatting.MISSING}

FIGURES = {
    "estimate": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "p": pl.Float64,
    "n": pl.Int64,
    "seeds_needed": pl.Int64,
    "seeds_most": pl.Int64,
}
OVERVIEW = {
    "claim": pl.Int64,
    "text": pl.String,
    "verdict": pl.String,
    "metric": pl.String,
    "compared": pl.String,
    **FIGURES,
    "comparisons": pl.Int64,
    "note": pl.String,
    "budget": pl.String,
}
PARTS = {
    "claim": pl.Int64,
    "text": pl.String,
    "verdict": pl.String,
    "metric": pl.String,
    "within": pl.String,
    "first": pl.String,
    "second": pl.String,
    "comparison": pl.String,
    **FIGURES,
    "p_holm": pl.Float64,
    "method": pl.String,
    "first_diverged": pl.Int64,
    "second_diverged": pl.Int64,
    "first_missing": pl.Int64,
    "second_missing": pl.Int64,
}

READING = (
    "A claim is supported where the {} CI of each of its comparisons is on the claimed side, refuted where one "
    "is on the other side (p after Holm's correction over the comparisons), else undecided. Differences are "
    "paired over seeds: Student's t, or the sign test of the median where trials diverged; these count as worse "
    "than any that finished. The seeds needed are for a power of 80 %, from the "
    "observed effect to one that is half a standard error smaller."
)


def overview(run: Run) -> pl.DataFrame:
    """One row per claim: its verdict, and the figures of the deciding comparison.

    estimate is the first arm minus the second (or the mean itself), low and high its confidence interval (95 %, or
    the level of the last interim analysis); p is null where the trials are deterministic; seeds_needed and seeds_most
    (from, to) are null where the claim is decided or no feasible number is enough; budget says which budget the claim
    was made for and judged on, where these differ.
    """
    rows = []
    for place, verdict in enumerate(claims(run)):
        deciding = None if verdict.deciding is None else verdict.parts[verdict.deciding]
        figures = dict.fromkeys(FIGURES) if deciding is None else _figures(deciding)
        rows.append(
            {
                "claim": place + 1,
                "text": verdict.claim.text,
                "verdict": verdict.verdict,
                "metric": verdict.column,
                "compared": _compared(verdict, deciding),
                **figures,
                "p": verdict.p,
                "seeds_needed": verdict.seeds_needed,
                "seeds_most": verdict.seeds_most,
                "comparisons": len(verdict.parts),
                "note": verdict.note,
                "budget": own_budget(verdict),
            }
        )
    return pl.DataFrame(rows, schema=OVERVIEW)


def parts_frame(verdicts: Sequence[Verdict]) -> pl.DataFrame:
    """One row per comparison of a claim; ``verdict`` is that of the claim, ``comparison`` its own."""
    rows = []
    for place, verdict in enumerate(verdicts):
        said = {"claim": place + 1, "text": verdict.claim.text, "verdict": verdict.verdict, "metric": verdict.column}
        rows += [
            said
            | {
                "within": _within(verdict, part),
                "first": _arm(verdict, part, 0),
                "second": _arm(verdict, part, 1),
                "comparison": part.verdict,
                **_figures(part),
                "p": _own_p(part),
                "p_holm": None if _own_p(part) is None else part.p_holm,
                "seeds_needed": part.seeds_needed,
                "seeds_most": part.seeds_most,
                "method": part.evidence.method,
                "first_diverged": part.diverged[0],
                "second_diverged": part.diverged[1],
                "first_missing": part.missing[0],
                "second_missing": part.missing[1],
            }
            for part in verdict.parts
        ]
        if not verdict.parts:
            rows.append(dict.fromkeys(PARTS) | said)
    return pl.DataFrame(rows, schema=PARTS)


def lines(run: Run) -> list[str]:
    """The claims for a terminal: how many are supported, one line each with the figures of the deciding pair, then
    the budget that they were made for where it is not that of the run.
    """
    verdicts = claims(run)
    found = [f"Claims of the study: {_tally(verdicts)}"] if verdicts else []
    for verdict in verdicts:
        figures = "" if verdict.deciding is None else f" ({_in_short(verdict, verdict.parts[verdict.deciding])})"
        told = _settles(verdict) or verdict.note
        found.append(
            f"{SIGNS[verdict.verdict]} {verdict.verdict}: {verdict.claim.text}{figures}" + (f"; {told}" if told else "")
        )
    return [*found, *filter(None, [budget_sentence(verdicts)])]


def claim_blocks(run: Run, verdicts: Sequence[Verdict]) -> list[Block]:
    """The claims as a table: the verdict, the sentence and what was compared, the figures."""
    if not verdicts:
        return []
    count = sum(len(verdict.parts) for verdict in verdicts)
    said = introduction(run, verdicts)
    found: list[Block] = [
        Paragraph(said, "lead"),
        Table(columns(verdicts), len(verdicts), "claims", said),
        Paragraph(READING.format(confidence(verdicts[0].level)), "note"),
    ]
    if count > len(verdicts):
        found.append(Folded(f"All {formatting.plural(count, 'comparison')}", [_all_parts(verdicts)]))
    return found


def columns(verdicts: Sequence[Verdict]) -> list[Column]:
    """The table of claims as texts: the verdict, the sentence, what was compared, the deciding figures."""
    pairs = [(verdict, None if verdict.deciding is None else verdict.parts[verdict.deciding]) for verdict in verdicts]
    figures = [
        [formatting.MISSING] * 4 if part is None else _texts(verdict, part, verdict.p) for verdict, part in pairs
    ]
    values = [[None] * 4 if part is None else _values(part, verdict.p) for verdict, part in pairs]
    notes = [f"{formatting.capital(verdict.note)}." if verdict.note else "" for verdict in verdicts]
    compared = [" ".join(filter(None, [_compared(*pair), note])) for pair, note in zip(pairs, notes, strict=True)]
    interval = f"{confidence(verdicts[0].level)} CI"
    return [
        _verdicts([verdict.verdict for verdict in verdicts]),
        Column.of_texts(
            "claim",
            [verdict.claim.text for verdict in verdicts],
            below=Column.of_texts("compared", compared),
            width="wide",
        ),
        *(
            Column(name, [row[place] for row in figures], [row[place] for row in values])
            for place, name in enumerate(("estimate", interval, "p", "n"))
        ),
        Column.of_texts("seeds needed", [_settles(verdict) for verdict in verdicts], width="wrap", soft=True),
    ]


def _verdicts(verdicts: Sequence[str]) -> Column:
    """Verdicts with their signs."""
    return Column(
        "verdict", [f"{SIGNS[verdict]} {verdict}" for verdict in verdicts], verdicts, numeric=False, tones=verdicts
    )


def introduction(run: Run, verdicts: Sequence[Verdict]) -> str:
    """How many claims are supported, when they were made, and for which budget where that is not the budget of the
    run.
    """
    return " ".join(filter(None, [_tally(verdicts), _when(run), budget_sentence(verdicts)]))


def _all_parts(verdicts: Sequence[Verdict]) -> Table:
    """One row per comparison of a claim."""
    rows = [(place + 1, verdict, part) for place, verdict in enumerate(verdicts) for part in verdict.parts]
    figures = [_all_texts(verdict, part) for _, verdict, part in rows]
    values = [[*_values(part, _own_p(part)), part.p_holm] for *_, part in rows]
    heads = ("estimate", f"{confidence(verdicts[0].level)} CI", "p", "n", "p (Holm)")
    return Table(
        [
            Column.of_texts("claim", [str(place) for place, *_ in rows], numeric=True),
            Column.of_texts("within", [_within(verdict, part) for _, verdict, part in rows]),
            Column.of_texts("first", [_arm(verdict, part, 0) for _, verdict, part in rows]),
            Column.of_texts("second", [_arm(verdict, part, 1) for _, verdict, part in rows]),
            _verdicts([part.verdict for *_, part in rows]),
            *(
                Column(head, [row[place] for row in figures], [row[place] for row in values])
                for place, head in enumerate(heads)
            ),
            Column.of_texts("method", [part.evidence.method for *_, part in rows]),
        ],
        len(rows),
    )


def _all_texts(verdict: Verdict, part: ClaimPart) -> list[str]:
    p = _own_p(part)
    return [*_texts(verdict, part, p), p_text(None if p is None else part.p_holm)]


def _tally(verdicts: Sequence[Verdict]) -> str:
    found = [verdict.verdict for verdict in verdicts]
    return formatting.listed([f"{found.count(name)} {name}" for name in SIGNS if name in found]).capitalize() + "."


def _when(run: Run) -> str:
    """When the claims were made, and whether that was before any result was known."""
    note = noted_claims(run.paths, run.study)
    if note is None:
        return "This folder has no record of when its claims were made."
    when = f"recorded {note.noted[:16].replace('T', ' ')} UTC, hash {note.hash}"
    if note.recorded:
        return f"Made after {formatting.plural(note.recorded, 'trial')} had been recorded ({when}): not preregistered."
    return f"Made before the first trial was trained ({when})."


def _compared(verdict: Verdict, part: ClaimPart | None) -> str:
    """What the figures are: metric, arms, and which of the comparisons."""
    if part is None:
        return ""
    step = "" if verdict.claim.step is None else f" at step {formatting.count(verdict.claim.step)}"
    said = f"{label(verdict.column)}{step}: {_pair(verdict, part)}{bound_in_words(verdict.claim)}"
    if len(verdict.parts) > 1:
        lost = sum(one.verdict == REFUTED for one in verdict.parts)
        won = sum(one.verdict == SUPPORTED for one in verdict.parts)
        count = formatting.count(len(verdict.parts))
        said += {
            SUPPORTED: f"; the closest of {count} comparisons, all supported",
            REFUTED: f"; {lost} of {count} comparisons refute it, {won} support it",
        }.get(verdict.verdict, f"; {won} of {count} comparisons support it, none refutes it")
    if part.evidence.method == "values":
        said += "; deterministic"
    if part.evidence.method == "sign":
        gone, gaps = sum(part.diverged), sum(part.missing)
        why = [f"{formatting.count(gone)} diverged"] * bool(gone) + [
            f"{formatting.count(gaps)} without a value"
        ] * bool(gaps)
        said += f"; median and sign test, {' and '.join(why) or 'as nothing spreads'}"
    return said + "."


def _pair(verdict: Verdict, part: ClaimPart) -> str:
    """The two sides of a comparison, or the arm of a value, and the settings that both share."""
    said = _arm(verdict, part, 0) + ("" if part.second is None else f" minus {_arm(verdict, part, 1)}")
    return said + (f", within {_within(verdict, part)}" if part.within else "")


def _arm(verdict: Verdict, part: ClaimPart, side: int) -> str:
    """One side in words: the settings that are named or that differ from the other side, and the tuned ones."""
    own, other = (part.first, part.second) if side == 0 else (part.second, part.first)
    if own is None:
        return ""
    claim, digits = verdict.claim, _digits(verdict)
    equal = claim.equal if isinstance(claim.equal, list) else [claim.equal]
    named = {key for arm in (claim.better, claim.worse, claim.arm, *equal) if isinstance(arm, dict) for key in arm}
    shown = [name for name in own if other is None or name in named or own[name] != other.get(name)]
    kept = [claim.better or claim.arm or {}, claim.worse if isinstance(claim.worse, dict) else {}][side]
    said = formatting.recipe(own, shown, digits) or (formatting.where(kept, {}) if kept else "all trials")
    chosen = formatting.recipe(part.chosen[side], part.chosen[side], digits)
    return f"{said} tuned to {chosen}" if chosen else said


def _within(verdict: Verdict, part: ClaimPart) -> str:
    """The settings that both sides share."""
    return formatting.recipe(part.within, part.within, _digits(verdict))


def _digits(verdict: Verdict) -> formatting.Digits:
    """The digits that distinguish the settings of its parts."""
    return formatting.digits_in(
        row for part in verdict.parts for row in (part.within, part.first, part.second or {}, *part.chosen)
    )


def _figures(part: ClaimPart) -> dict[str, Any]:
    found = part.evidence
    return {"estimate": found.estimate, "low": found.low, "high": found.high, "n": found.n}


def _texts(verdict: Verdict, part: ClaimPart, p: float | None) -> list[str]:
    """Estimate, interval, p and n as the page writes them; differences have a sign. None is rounded to a bound that
    it does not equal.
    """
    found, sign = part.evidence, part.second is not None
    half = 0.0 if found.low is None or found.high is None else (found.high - found.low) / 2

    def told(value: float | None) -> str:
        return beside(value, verdict.claim, half, sign)

    none = found.method == "values" or found.low is None
    ends = formatting.MISSING if none else f"{told(found.low)} to {told(found.high)}"
    return [told(found.estimate), ends, p_text(p), formatting.count(found.n)]


def _values(part: ClaimPart, p: float | None) -> list[float | None]:
    """What these texts are sorted by."""
    return [part.evidence.estimate, part.evidence.low, p, part.evidence.n]


def _own_p(part: ClaimPart) -> float | None:
    found = part.evidence
    return None if found.method in ("values", "one seed") else min(found.p_for, found.p_against)


def _in_short(verdict: Verdict, part: ClaimPart) -> str:
    estimate, interval, p, n = _texts(verdict, part, verdict.p)
    said = [estimate if interval == formatting.MISSING else f"{estimate}, {confidence(verdict.level)} {interval}"]
    said += [f"p {p if p.startswith('<') else '= ' + p}"] if verdict.p is not None else []
    count = len(verdict.parts)
    which = {
        SUPPORTED: f"the closest of {formatting.count(count)} comparisons",
        REFUTED: f"the worst of {formatting.count(count)} comparisons",
    }.get(verdict.verdict, f"the weakest of {formatting.count(count)} comparisons")
    what = "" if part.second is None else " difference"
    at = "" if verdict.claim.step is None else f" at step {formatting.count(verdict.claim.step)}:"
    return f"{_pair(verdict, part)}: {label(verdict.column)}{what}{at} {', '.join([*said, f'n = {n}'])}" + (
        f"; {which}" if count > 1 else ""
    )


def _settles(verdict: Verdict) -> str:
    """The seeds that an undecided claim needs."""
    if verdict.verdict != UNDECIDED or verdict.deciding is None or verdict.note:
        return ""
    n = max(part.evidence.n for part in verdict.parts)
    if any(part.evidence.method == "one seed" for part in verdict.parts):
        return (
            f"one seed is not enough: run {formatting.count(verdict.seeds_needed)} to see the variation between seeds"
        )
    if n <= NO_FORECAST:
        return (
            f"two seeds are too few to estimate how many are needed: run {formatting.count(verdict.seeds_needed)} first"
        )
    if verdict.seeds_needed is None:
        return f"no feasible number of seeds is enough (more than {formatting.count(MOST_SEEDS)})"
    least, most = verdict.seeds_needed, verdict.seeds_most
    more = (
        formatting.count(least - n)
        + ("" if least == most else " or more" if most is None else f" to {formatting.count(most - n)}")
        + ("" if most is None else " more")
    )
    return f"about {formatting.seeds_range(least, most)} needed, {more}"
